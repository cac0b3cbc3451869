/*
 * Reports the result of a hunt, as text or as a JSON object.
 */
#ifndef BENCH_TOOLS_EXPLORE_REPORT_H
#define BENCH_TOOLS_EXPLORE_REPORT_H

#include <stdio.h>

#include <jansson.h>

#include "tools/explore/hunt.h"

/* How many switches of a failing schedule are shown: the last ones. */
#define REPORT_SWITCHES 200

void report_text(FILE *out, const struct scenario *scenario, const struct hunt *hunt,
		 const struct hunt_options *options);
/* New reference. */
json_t *report_json(const struct scenario *scenario, const struct hunt *hunt);
json_t *report_config(const struct hunt_options *options);

#endif
