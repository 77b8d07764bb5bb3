#ifndef INC_H
#define INC_H
int left(int a);
#define SQUARE(x) ((x) * (x))
static inline int unused(int a)
{
	return a + 1;
}
/*
 * So far down that no line of left.c beside it has its number: in one block of
 * code gcc 12 leaves out a line with the number of the one before it, though
 * that is one of another file.
 */

struct unrelated {
	int a;
	int b;
};

static inline int clamp(int a)
{
	if (a > 100)		/* run: big err */
		return 100;	/* run: big */
	return a;		/* run: err */
}
#endif
