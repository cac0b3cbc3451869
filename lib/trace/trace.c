#include "trace/trace.h"

#include "trace/limits.h"

#include <errno.h>
#include <stdlib.h>

struct trace trace_empty(const char *path)
{
	return (struct trace){.path = path, .unit = "line", .header = header_unknown()};
}

static int grow(struct trace *trace)
{
	size_t room = trace->room ? 2 * trace->room : 1024;
	struct event *events = realloc(trace->events, room * sizeof(*events));

	if (!events)
		return -ENOMEM;
	trace->events = events;
	trace->room = room;
	return 0;
}

int trace_append(struct trace *trace, const struct event *event)
{
	if (trace->count == TRACE_EVENTS_MAX)
		return -E2BIG;
	if (trace->count == trace->room && grow(trace))
		return -ENOMEM;
	trace->events[trace->count++] = *event;
	return 0;
}

void trace_move(struct trace *trace, size_t from, size_t to)
{
	struct event *events = trace->events, moved = events[from];

	for (; from < to; from++)
		events[from] = events[from + 1];
	for (; from > to; from--)
		events[from] = events[from - 1];
	events[to] = moved;
}

int trace_insert(struct trace *trace, size_t i, const struct event *event)
{
	int err = trace_append(trace, event);

	if (!err)
		trace_move(trace, trace->count - 1, i);
	return err;
}

void trace_remove(struct trace *trace, size_t i)
{
	trace_move(trace, i, trace->count - 1);
	trace->count--;
}

void trace_free(struct trace *trace)
{
	free(trace->text);
	free(trace->events);
	trace->text = NULL;
	trace->events = NULL;
	trace->count = trace->room = 0;
}
