/*
 * The simulator prints its tracepoints as the kernel does, so these go through the parser
 * that reads the kernel's lines. The moments at which the kernel has only a probe are taken
 * field by field.
 */
#include "sink.h"

#include "replay.h"
#include "trace/parse.h"

#include <stdio.h>

#define LINE_BYTES 512

/* False for an event that is input in a trace, or absent from it. */
static bool from_probe(const struct tdp_trace_event *event, struct event *ours)
{
	switch (event->kind) {
	case TDP_TRACE_FAULT_RETURN:
		ours->kind = EVENT_RETURN;
		ours->u.ret.value = event->fault_return.result;
		return true;
	case TDP_TRACE_FLUSH:
		ours->kind = EVENT_FLUSH;
		return true;
	case TDP_TRACE_LOAD_ROOT:
		ours->kind = EVENT_LOAD_ROOT;
		ours->u.load.root = event->load_root.root;
		ours->u.load.level = event->load_root.level;
		return true;
	case TDP_TRACE_MARK_DIRTY:
		ours->kind = EVENT_MARK_DIRTY;
		ours->u.dirty.gfn = event->mark_dirty.gfn;
		return true;
	default:
		return false;
	}
}

static bool from_tracepoint(const struct tdp_trace_event *event, char *line, size_t size,
			    struct event *ours)
{
	int length = snprintf(line, size, "%s: ", tdp_trace_name(event->kind));

	length += tdp_trace_text(event, line + length, size - (size_t)length);
	return parse_event(line, (size_t)length, ours) && event_is_output(ours);
}

void sink_event(void *context, const struct tdp_trace_event *event)
{
	struct replay *replay = context;
	struct event ours = {0};
	char line[LINE_BYTES];

	if (replay->over)
		return;
	if (event->kind >= TDP_TRACE_FAULT_RETURN
		    ? from_probe(event, &ours)
		    : from_tracepoint(event, line, sizeof(line), &ours))
		replay_meet(replay, &ours);
}
