/*
 * trace.dat, the binary file of trace-cmd, by libtracecmd and libtraceevent.
 */
#ifndef TRACE_TRACEDAT_H
#define TRACE_TRACEDAT_H

#include "trace/bytes.h"
#include "trace/problem.h"

#include <stdbool.h>

/* Decides by the first bytes of the file, not by its name. */
bool tracedat_recognises(const struct bytes *bytes);

/*
 * Prints each record of `in` as one line of ftrace text into `out`, which the caller frees
 * in any case. Returns 0, or a negative errno with `problem` filled in.
 *
 * The libraries run in a child process. A damaged file makes them ask for gigabytes, loop
 * or crash: the child has limits (limits.h) and takes nothing with it when it dies.
 */
int tracedat_to_text(const char *path, const struct bytes *in, struct bytes *out,
		     struct problem *problem);

#endif
