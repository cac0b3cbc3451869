/*
 * One trace in memory: its events in the order of the machine's counter, and what its
 * first lines state about the machine.
 */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include "trace/event.h"
#include "trace/header.h"

struct trace {
	const char *path; /* borrowed */
	const char *unit; /* what event.line counts: "line" or "record" */
	char *text;	  /* owned; events point into it */
	size_t text_bytes;
	struct event *events; /* owned; ignored lines are not kept */
	size_t count, room;
	unsigned int line_count;
	struct header header;
	bool has_end;
};

struct trace trace_empty(const char *path);
void trace_free(struct trace *trace);

/*
 * Appends a copy of `event`. -ENOMEM without memory, -E2BIG beyond the limit on events
 * (limits.h).
 */
int trace_append(struct trace *trace, const struct event *event);
/* Inserts it before the event at `i`. */
int trace_insert(struct trace *trace, size_t i, const struct event *event);
void trace_remove(struct trace *trace, size_t i);
/* Moves the event at `from` to `to`; those in between make room. */
void trace_move(struct trace *trace, size_t from, size_t to);

#endif
