/*
 * The part of main() that every driver has: options, repetitions, trace, Ctrl-C,
 * report, exit status. A driver brings its parameters and says how one iteration
 * is measured.
 */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#include "common/cli.h"
#include "common/guest.h"
#include "common/report.h"

/* What an iteration may use. */
struct driver_tools {
	struct tdp_flag *stop; /* raised by Ctrl-C: come to an end with what there is */
	tdp_trace_sink trace;  /* for the VM, or NULL */
	void *trace_context;
};

struct driver {
	const char *name;
	const char *doc;
	const struct parameters *tables;
	size_t tables_count;
	const void *defaults; /* begin with a struct guest_options, as all options do */
	size_t options_bytes;
	bool (*settle)(void *options, char *why, size_t size); /* as in struct cli */
	/*
	 * Are the machine's limits to be measured first, and to stand beside these
	 * options' times? NULL: never. Virtual time has none.
	 */
	bool (*limited)(const void *options);
	/* Prints a run in the report lines of the KVM selftest that it resembles; NULL: none. */
	void (*selftest)(const struct report_run *run);
	/*
	 * Measures once, from nothing. Fills in what of `options` only the run knows
	 * (policies as used) and at least one phase of `measurement`, which begins
	 * zeroed. 0, or a negative errno and a sentence on standard error: -EINVAL
	 * and -EOPNOTSUPP where the options are to blame.
	 */
	int (*measure)(void *options, struct driver_tools *tools, struct measurement *measurement);
};

/* An enum status for main() to return. */
int driver_main(const struct driver *driver, int argc, char **argv);

#endif
