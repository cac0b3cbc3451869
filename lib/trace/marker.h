/*
 * The lines that the program under KVM wrote into the trace.
 */
#ifndef TRACE_MARKER_H
#define TRACE_MARKER_H

#include "trace/event.h"
#include "trace/scan.h"

/* Reads the words behind "P: ". False if a line of a known form does not read as it should. */
bool parse_marker(struct scan scan, struct event *event);

#endif
