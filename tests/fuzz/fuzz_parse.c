/*
 * Any text as a trace: the reader of trace lines, of markers and of header lines.
 *
 * What must hold: nothing is read beyond the text (the copies end where it ends, so
 * that AddressSanitizer sees it); a refusal says why; what events are kept come
 * from lines of the text, in order, with fields that the rest of replay can use.
 */
#include "fuzz/support/input.h"

#include "trace/header.h"
#include "trace/marker.h"
#include "trace/parse.h"
#include "trace/text.h"

static void check_event(const struct trace *trace, const struct event *event)
{
	HOLDS(event->kind > EVENT_IGNORED && event->kind < EVENT_KINDS);
	HOLDS(event->line >= 1 && event->line <= trace->line_count);
	HOLDS(event->text >= trace->text);
	HOLDS(event->text + event->length <= trace->text + trace->text_bytes);
	if (event->kind == EVENT_SPTE_CHANGED)
		HOLDS(event->u.changed.level >= 1 && event->u.changed.level <= 5);
	if (event->kind == EVENT_FEATURE)
		HOLDS(memchr(event->u.feature.name, 0, sizeof(event->u.feature.name)));
	if (event->kind == EVENT_GET_PAGE || event->kind == EVENT_ZAP_PAGE)
		HOLDS(memchr(event->u.page.role, 0, sizeof(event->u.page.role)));
}

static void check_trace(const struct trace *trace)
{
	unsigned int line = 0;

	HOLDS(trace->count <= trace->line_count);
	for (size_t i = 0; i < trace->count; i++) {
		check_event(trace, &trace->events[i]);
		HOLDS(trace->events[i].line > line);
		line = trace->events[i].line;
	}
}

static void read_trace(const uint8_t *data, size_t size)
{
	struct trace trace = trace_empty("fuzz");
	struct problem problem = {{0}};

	if (!size)
		return;
	trace.text = malloc(size);
	HOLDS(trace.text);
	memcpy(trace.text, data, size);
	trace.text_bytes = size;
	if (text_parse(&trace, &problem))
		HOLDS(problem.sentence[0]);
	else
		check_trace(&trace);
	trace_free(&trace);
}

/* One line each, without the rest of a trace around it. */
static void read_lines(const uint8_t *data, size_t size)
{
	struct header header = header_unknown();
	char *copy = malloc(size + 1);
	struct event event = {0};

	HOLDS(copy);
	copy = realloc(copy, size ? size : 1);
	HOLDS(copy);
	memcpy(copy, data, size);
	parse_event(copy, size, &event);
	event = (struct event){0};
	parse_marker(scan_text(copy, size), &event);
	header_read_line(&header, copy, size);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_trace(data, size);
	read_lines(data, size);
	return 0;
}
