/*
 * What a replay must know of the machine and the kernel of a trace. Each setting is known,
 * from the trace's header or the command line, or SETTING_UNKNOWN. What is unknown in the
 * end is assumed, and the report says so.
 */
#ifndef REPLAY_SETTINGS_H
#define REPLAY_SETTINGS_H

#include "trace/header.h"

#include <stdbool.h>

#define SETTING_UNKNOWN NOT_STATED

enum setting {
	SETTING_BASELINE, /* enum tdp_baseline, never TDP_BASELINE_LATEST */
	SETTING_FORMAT,	  /* enum stated_format */
	SETTING_LEVELS,	  /* 4 or 5 */
	SETTING_AD,	  /* accessed and dirty flags of the second level, on or off */
	SETTING_PML,
	SETTING_EAGER_SPLIT,
	SETTING_NX_HUGE_PAGES,
	SETTING_MMIO_CACHING,
	SETTING_COUNT,
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

/* The settings that a trace's header states. A kernel without a baseline states none. */
struct settings settings_stated(const struct header *header);

/*
 * Joins what a trace states with what the command line asks for, into *joined. Returns the
 * first setting on which they contradict each other, or SETTING_COUNT if there is none.
 */
enum setting settings_join(const struct settings *stated, const struct settings *asked,
			   struct settings *joined);

/*
 * Fills what is still unknown, and marks in `assumed` which settings those are: for a kernel
 * without a baseline the one before it, without a kernel the newest whose lines look like
 * those of the trace; for all else upstream's defaults on NPT.
 */
void settings_assume(struct settings *settings, const struct header *header,
		     bool assumed[SETTING_COUNT]);

#endif
