#include "inc.h"
struct pair { int a, b; };
static const struct pair table = {
	.a = 1,
	.b = 2,
};
int left(int a)			/* run: big err */
{
	int v = clamp(a);	/* run: big err */

	if (v < 0)		/* run: big err */
		return -22;	/* run: err */
	v += table.b;		/* run: big */
#ifdef NEVER
	v = 0;
#endif
	if (v == 7) {		/* run: big */
		v = SQUARE(v);	/* run: */
		goto out;	/* run: */
	}
	v++;			/* run: big */
out:				/* run: big */
	return v;		/* run: big */
}
