/*
 * Results: what a run measured, as a table for people or as one JSON object for
 * programs. Nothing but the result goes to standard output.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <tdpsim/tdpsim.h>

#include "common/cli.h"
#include "common/guest.h"
#include "limits/limits.h"

#define PHASES	 8
#define FAILURES 8

/* One timed part of a run. */
struct phase {
	const char *name; /* borrowed */
	double seconds;
	uint64_t accesses;
	uint64_t faults; /* pf_taken */
	uint64_t bytes;	 /* of the distinct backing pages reached */
	/* Where one of what is counted was timed by itself; `per` NULL: it was not. */
	const char *per;   /* "fault": member cpu_ns_per_fault; borrowed */
	double cpu_ns;	   /* of CPU time, for each */
	const char *limit; /* member of struct limits to stand beside it, or NULL; borrowed */
};

/* What one run found. Zeroed memory is a run that found nothing. */
struct measurement {
	struct phase phases[PHASES];
	size_t phase_count;
	struct tdp_stats stats;
	uint64_t table_bytes, metadata_bytes;
	int64_t resident_bytes; /* grown since before the VM was made */
	bool checked;		/* violations were counted */
	uint64_t violations;
	char failures[FAILURES][160]; /* own checks that failed, a sentence each */
	unsigned int failure_count;   /* may exceed FAILURES */
	bool interrupted;
};

/* Adds a phase. The run has fewer than PHASES. */
void measurement_phase(struct measurement *measurement, struct phase phase);

/* Notes a failed check; printf-like. */
__attribute__((format(printf, 2, 3))) void measurement_fail(struct measurement *measurement,
							    const char *format, ...);

/* Counters and memory, read while nobody runs; with --check the checker's verdict. */
void measurement_take(struct measurement *measurement, const struct guest *guest);

/*
 * The accounting that holds for every run: each fault has one result, and the
 * phases' faults are those that the VM counted.
 */
void measurement_verify(struct measurement *measurement);

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
};

/* Writes it to standard output. 0, or -1 if it could not be written. */
int report_print(const struct report *report);

#endif
