#include "common/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "common/twin.h"

bool progress_wanted(void)
{
	/* In virtual time one more actor would change the measurement. */
	return twin_clock() == GUEST_CLOCK_REAL && isatty(STDERR_FILENO);
}

void progress_show(const char *what, uint64_t done, uint64_t all)
{
	fprintf(stderr, "\r\033[K%s: %.0f %%", what,
		all ? 100 * (double)done / (double)all : 100.0);
}

void progress_end(void)
{
	fprintf(stderr, "\r\033[K");
}
