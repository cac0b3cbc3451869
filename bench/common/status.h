/*
 * The exit statuses of all drivers, and messages on standard error.
 */
#ifndef BENCH_STATUS_H
#define BENCH_STATUS_H

enum status {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,	  /* a check failed, or the run did not succeed */
	STATUS_USAGE = 2,	  /* invalid options or files */
	STATUS_MISSING = 3,	  /* a feature is missing */
	STATUS_INTERRUPTED = 130, /* by Ctrl-C, after a report of what was measured */
};

/* "tool: sentence" and a newline, to standard error. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

#endif
