/*
 * What a hunt has come to, as text or as one JSON object.
 */
#ifndef TDPSIM_TESTS_EXPLORE_REPORT_H
#define TDPSIM_TESTS_EXPLORE_REPORT_H

#include <stdio.h>

#include <jansson.h>

#include "explore/hunt.h"

/* Of a failing schedule the last so many switches are shown. */
#define REPORT_SWITCHES 200

void report_text(FILE *out, const struct scenario *scenario, const struct hunt *hunt,
		 const struct hunt_options *options);
/* New reference. */
json_t *report_json(const struct scenario *scenario, const struct hunt *hunt);
json_t *report_config(const struct hunt_options *options);

#endif
