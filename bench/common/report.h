/*
 * Results: what a run measured, as a table for people or as one JSON object for
 * programs. Nothing but the result goes to standard output.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <tdpsim/tdpsim.h>

#include "common/cli.h"
#include "common/measurement.h"
#include "limits/limits.h"

/* A run in a report: its options as used, its median measurement, and all times. */
struct report_run {
	const void *options; /* begin with struct guest_options */
	struct measurement median;
	double *seconds; /* of each iteration's first phase */
	unsigned int iterations;
	uint64_t violations; /* over all iterations */
	unsigned int failures;
};

struct report {
	const char *tool;
	const struct cli *cli;
	struct report_run *runs;
	size_t count;
	const struct limits *limits; /* of this machine, measured in the same run; or NULL */
	bool interrupted;	     /* there would be more */
	/* Prints a run in the lines of a selftest, where that was asked for. */
	void (*selftest)(const struct report_run *run);
};

/* Writes it to standard output. 0, or -1 if it could not be written. */
int report_print(const struct report *report);

#endif
