/*
 * Exit statuses that all drivers share, and the sentence on standard error.
 */
#ifndef BENCH_STATUS_H
#define BENCH_STATUS_H

enum status {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,	  /* a check failed, or the run could not be made */
	STATUS_USAGE = 2,	  /* options or files that make no sense */
	STATUS_MISSING = 3,	  /* a feature that is not there yet */
	STATUS_INTERRUPTED = 130, /* by Ctrl-C, after what was measured has been printed */
};

/* "tool: sentence" and a newline, to standard error. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

#endif
