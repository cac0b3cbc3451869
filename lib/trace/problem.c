#include "trace/problem.h"

#include <stdarg.h>
#include <stdio.h>

int problem_state(struct problem *problem, int err, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(problem->sentence, sizeof(problem->sentence), format, arguments);
	va_end(arguments);
	return err;
}
