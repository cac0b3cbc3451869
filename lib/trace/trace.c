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

void trace_free(struct trace *trace)
{
	free(trace->text);
	free(trace->events);
	trace->text = NULL;
	trace->events = NULL;
	trace->count = trace->room = 0;
}
