/*
 * What a replay must know of the machine and the kernel under a trace. Each
 * field is either known, from the trace's header or the command line, or
 * SETTING_UNKNOWN; what is unknown at the end is assumed and printed.
 */
#ifndef REPLAY_SETTINGS_H
#define REPLAY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#define SETTING_UNKNOWN (-1)

enum setting {
	SETTING_BASELINE, /* index into setting_value_name() */
	SETTING_FORMAT,	  /* 0 npt, 1 ept */
	SETTING_LEVELS,	  /* 4 or 5 */
	SETTING_AD,	  /* accessed and dirty flags of the second level, on or off */
	SETTING_PML,
	SETTING_EAGER_SPLIT,
	SETTING_NX_HUGE_PAGES,
	SETTING_MMIO_CACHING,
	SETTING_COUNT,
};

enum replay_baseline {
	REPLAY_6_1,
	REPLAY_6_12,
	REPLAY_LATEST,
};

struct settings {
	int value[SETTING_COUNT];
};

struct settings settings_unknown(void);

/* "baseline", "format", ...: also the names of the options. */
const char *setting_name(enum setting setting);
/* "6.1", "ept", "5", "on" for a value; "?" if there is none. */
const char *setting_value_name(enum setting setting, int value);
/* The value of `text`, or SETTING_UNKNOWN if it is none. */
int setting_value(enum setting setting, const char *text);

/* Takes one header line ("kvm.tdp_mmu=Y", "kernel 6.1.0-56-amd64"). */
void settings_read_header(struct settings *settings, const char *line, size_t length);

/*
 * Joins what a trace states with what the command line asks for, into *joined.
 * Returns the first setting that contradicts, or SETTING_COUNT if none does.
 */
enum setting settings_join(const struct settings *stated, const struct settings *asked,
			   struct settings *joined);

/*
 * Fills what is still unknown: upstream's defaults on NPT. Those that were assumed
 * are listed in `assumed` (a bool for each setting).
 */
void settings_assume(struct settings *settings, bool assumed[SETTING_COUNT]);

#endif
