/*
 * The part of main() that all drivers share: options, repetitions, trace, Ctrl-C,
 * report, exit status. A driver adds its parameters and a function that measures once.
 */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#include "common/cli.h"
#include "common/guest.h"
#include "common/report.h"

/* What measure() may use. */
struct driver_tools {
	struct tdp_flag *stop; /* raised by Ctrl-C: end early, and report what was measured */
	tdp_trace_sink trace;  /* for the VM, or NULL */
	void *trace_context;
};

struct driver {
	const char *name;
	const char *doc;
	const struct parameters *parameters; /* the driver's own, or NULL */
	bool has_iterations;  /* --iterations; else the driver uses the name itself */
	const void *defaults; /* begin with a struct guest_options */
	size_t options_bytes;
	/* As in struct cli; NULL: guest_options_settle(). */
	bool (*settle)(void *options, char *why, size_t size);
	/*
	 * Whether to measure the limits of the machine first and report them beside the times;
	 * `limited` further decides by the options, if it is not NULL. --no-limits (see
	 * LIMITS_PARAMETER) turns it off, and virtual time has no limits.
	 */
	bool has_limits;
	bool (*limited)(const void *options);
	/* Prints a run as the KVM selftest that it resembles does; NULL: there is none. */
	void (*selftest)(const struct report_run *run);
	/*
	 * Measures once, with a new guest. Stores the policies that were used in `options`, and
	 * at least one phase in `measurement`, which is zeroed before. Returns 0, or a negative
	 * errno after printing the reason: -EINVAL and -EOPNOTSUPP if the options are wrong.
	 */
	int (*measure)(void *options, struct driver_tools *tools, struct measurement *measurement);
};

/* What is done with a guest; 0 or a negative errno. */
typedef int driver_body(struct guest *guest, const struct driver_tools *tools,
			struct measurement *measurement, void *context);

/*
 * Makes a guest, calls `body` and ends the guest. Stores the policies that were used in
 * *options. Returns what `body` returned, or why there is no guest.
 */
int driver_with_guest(struct guest_options *options, const struct driver_tools *tools,
		      struct measurement *measurement, driver_body *body, void *context);

/* Returns an enum status, the exit status of main(). */
int driver_main(const struct driver *driver, int argc, char **argv);

#endif
