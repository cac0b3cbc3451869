/*
 * Prints, for each trace, a line with the verdict, what was assumed, and the first
 * differences with their line numbers; or one JSON object over all traces.
 */
#ifndef REPLAY_REPORT_H
#define REPLAY_REPORT_H

#include "replay.h"

#include <jansson.h>

struct report {
	bool json;
	const struct settings *asked; /* on the command line */
	json_t *traces;		      /* with json */
};

int report_begin(struct report *report, bool json, const struct settings *asked);
/* One trace that was replayed. */
void report_replay(struct report *report, struct replay *replay, const bool assumed[SETTING_COUNT]);
/* One that could not be. */
void report_problem(struct report *report, const char *path, const struct problem *problem);
/* Prints what remains to be printed; 0 or a negative errno. */
int report_end(struct report *report);

#endif
