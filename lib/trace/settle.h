/*
 * Orders what other tasks did in the midst of a fault or a call.
 */
#ifndef TRACE_SETTLE_H
#define TRACE_SETTLE_H

#include "trace/trace.h"

/*
 * Moves the events of other tasks before or behind the fault or call that they stand in.
 * Leaves a trace alone in which several vCPUs run at once. -ENOMEM, or -E2BIG beyond the
 * limit on events.
 */
int settle_trace(struct trace *trace);

#endif
