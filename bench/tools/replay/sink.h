/*
 * The simulator's events in the trace's language.
 */
#ifndef REPLAY_SINK_H
#define REPLAY_SINK_H

#include <tdpsim/trace.h>

/* The VM's tracer; `context` is the struct replay. */
void sink_event(void *context, const struct tdp_trace_event *event);

#endif
