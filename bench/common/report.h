/*
 * Prints what a run measured, as a table for people or as one JSON object for programs. Only the
 * result goes to standard output.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <tdpsim/tdpsim.h>

#include "common/cli.h"
#include "common/measurement.h"
#include "limits/limits.h"

/* A run in a report: the options that it used, its median measurement, and the times of all. */
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
	/* Prints a run as a KVM selftest does, for --selftest-format. */
	void (*selftest)(const struct report_run *run);
};

/* Writes the report to standard output. Returns 0, or -1 if that failed. */
int report_print(const struct report *report);

#endif
