#include "common/twin.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/status.h"

enum guest_clock twin_clock(void)
{
	return GUEST_CLOCK_OWN;
}

const char *twin_clock_name(void)
{
	return twin_clock() == GUEST_CLOCK_REAL ? "real" : "virtual";
}

/* The folder of the other build, relative to that of this one. */
static const char *folder_of_other(void)
{
	return twin_clock() == GUEST_CLOCK_REAL ? "virtual" : "..";
}

void twin_run_other(char **argv)
{
	char self[PATH_MAX], other[PATH_MAX + 16];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *name;

	if (length < 0) {
		complain("cannot find out where this program lies: %s", strerror(errno));
		return;
	}
	self[length] = '\0';
	name = strrchr(self, '/');
	*name++ = '\0';
	snprintf(other, sizeof(other), "%s/%s/%s", self, folder_of_other(), name);
	execv(other, argv);
	complain("cannot run %s: %s", other, strerror(errno));
}
