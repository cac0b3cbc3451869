/*
 * trace.dat, the binary file of trace-cmd, into the same events as the text.
 */
#ifndef REPLAY_TRACEDAT_H
#define REPLAY_TRACEDAT_H

#include "trace/trace.h"

bool tracedat_recognise(const char *data, size_t count);
int tracedat_read(struct trace *trace, const char *data, size_t count, struct problem *problem);

#endif
