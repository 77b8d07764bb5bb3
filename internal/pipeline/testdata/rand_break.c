#include <linux/moduleparam.h>

/* What the debug flavour has to find; rand_break= says which. */
static int rand_break;
core_param(rand_break, rand_break, int, 0444);

static noinline void rand_do_break(void)
{
	static DEFINE_MUTEX(first);
	static DEFINE_MUTEX(second);
	static DEFINE_SPINLOCK(lock);
	static struct list_head list = LIST_HEAD_INIT(list);
	int i, which = xchg(&rand_break, 0);
	struct list_head *p;

	switch (which) {
	case 1: /* use after free */
		p = kmalloc(64, GFP_KERNEL);
		if (!p)
			return;
		kfree(p);
		WRITE_ONCE(p->next, NULL);
		break;
	case 2: /* leaks: of one alone a copy of its address may lie about */
		for (i = 0; i < 64; i++) {
			p = kmalloc(64, GFP_KERNEL);
			OPTIMIZER_HIDE_VAR(p);
		}
		break;
	case 3: /* two locks in both orders */
		mutex_lock(&first);
		mutex_lock(&second);
		mutex_unlock(&second);
		mutex_unlock(&first);
		mutex_lock(&second);
		mutex_lock(&first);
		mutex_unlock(&first);
		mutex_unlock(&second);
		break;
	case 4: /* sleep under a spinlock */
		spin_lock(&lock);
		mutex_lock(&first);
		mutex_unlock(&first);
		spin_unlock(&lock);
		break;
	case 5: /* one entry in a list twice */
		p = kzalloc(sizeof(*p), GFP_KERNEL);
		if (!p)
			return;
		list_add(p, &list);
		list_add(p, &list);
		break;
	case 6: /* behind the end */
		p = kmalloc(48, GFP_KERNEL);
		if (!p)
			return;
		WRITE_ONCE(*((char *)p + 48), 1);
		kfree(p);
		break;
	case 7: /* a lock taken twice: the last, as it hangs */
		mutex_lock(&first);
		mutex_lock(&first);
		break;
	case 8: /* undefined */
		which = 1 << (which + 32);
		OPTIMIZER_HIDE_VAR(which);
		break;
	}
}

