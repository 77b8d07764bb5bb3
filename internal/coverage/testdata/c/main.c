#include <stdlib.h>
#include <string.h>
#include "inc.h"
int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "err"))
		return left(-atoi(argv[2])) == -22 ? 0 : 1;
	if (argc > 1)
		return clamp(atoi(argv[2])) + left(atoi(argv[2])) > 0 ? 0 : 1;
	return 0;
}
