/*
 * Ends a program in which the library broke one of its own rules.
 */
#include "platform/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *rule, const char *file, int line)
{
	fprintf(stderr, "libtdpsim: %s:%d: broken rule: %s\n", file, line, rule);
	abort();
}
