/*
 * Header lines begin with '#'. Then follows a line for each event, "task-pid [cpu]
 * counter: name: words". Lines that are neither compared nor input are dropped here.
 *
 * A trace must be complete. If it has markers, the last one must be END; otherwise it
 * must have as many lines as its own header counts.
 */
#include "trace/text.h"

#include "trace/limits.h"
#include "trace/parse.h"
#include "trace/scan.h"

#include <errno.h>
#include <string.h>

struct task {
	const char *name;
	size_t length;
	bool vmm;
};

struct text {
	struct trace *trace;
	struct problem *problem;
	struct task tasks[TASKS_MAX];
	unsigned int task_count;
	unsigned int line; /* being read */
	uint64_t entries_written, entries_read;
	bool has_markers;
};

static int bad_line(struct text *text, const char *why)
{
	return problem_state(text->problem, -EINVAL, "%s: %s %u: %s", text->trace->path,
			     text->trace->unit, text->line, why);
}

/* Traces have few tasks. Those that do not fit the table share its last number. */
static unsigned int task_number(struct text *text, const char *name, size_t length)
{
	unsigned int i;

	for (i = 0; i < text->task_count; i++) {
		if (text->tasks[i].length == length &&
		    memcmp(text->tasks[i].name, name, length) == 0)
			return i;
	}
	if (i == TASKS_MAX)
		return TASKS_MAX - 1;
	text->tasks[i].name = name;
	text->tasks[i].length = length;
	text->task_count++;
	return i;
}

static void header_line(struct text *text, const char *line, size_t length)
{
	struct scan scan = scan_text(line, length);

	while (scan_try(&scan, "#") || scan_try(&scan, " "))
		;
	header_read_line(&text->trace->header, scan.at, (size_t)(scan.end - scan.at));
	if (scan_try(&scan, "entries-in-buffer/entries-written: ")) {
		scan_dec(&scan);
		scan_word(&scan, "/");
		text->entries_written = scan_dec(&scan);
	}
}

/* Takes "task-pid [cpu] flags time: "; false if the line is not of that form. */
static bool line_prefix(struct text *text, struct scan *scan, struct event *event)
{
	const char *task, *end;

	while (scan_try(scan, " "))
		;
	task = scan->at;
	scan_past(scan, " [");
	end = scan->failed ? task : scan->at - 2;
	while (end > task && end[-1] == ' ')
		end--;
	event->cpu = (unsigned int)scan_dec(scan);
	scan_word(scan, "] ");
	scan_past(scan, ": ");
	if (scan->failed || end == task)
		return false;
	event->task = task_number(text, task, (size_t)(end - task));
	return true;
}

static int keep(struct text *text, const struct event *event)
{
	int err = trace_append(text->trace, event);

	if (err == -E2BIG)
		return problem_state(text->problem, err,
				     "%s: the trace has more than %d events, the limit",
				     text->trace->path, TRACE_EVENTS_MAX);
	if (err)
		return problem_state(text->problem, err, "%s: no memory for its events",
				     text->trace->path);
	return 0;
}

static int event_line(struct text *text, const char *line, size_t length)
{
	struct scan scan = scan_text(line, length);
	struct event event = {.line = text->line};

	if (scan_try_past(&scan, "[LOST "))
		return bad_line(text, "events were lost here when the trace was taken");
	if (!line_prefix(text, &scan, &event))
		return bad_line(text, "this is not a line of a trace");
	text->entries_read++;
	if (!parse_event(scan.at, (size_t)(scan.end - scan.at), &event))
		return bad_line(text, "the fields of this event do not read as they should");
	if (event.kind == EVENT_IGNORED)
		return 0;
	if (event_is_marker(&event)) {
		text->tasks[event.task].vmm = true;
		text->has_markers = true;
	}
	text->trace->has_end |= event.kind == EVENT_END;
	return keep(text, &event);
}

static int one_line(struct text *text, const char *line, size_t length, bool complete)
{
	text->line++;
	if (length == 0)
		return 0;
	if (*line == '#') {
		header_line(text, line, length);
		return 0;
	}
	if (text->entries_read == 0 && length > 5 && memcmp(line, "cpus=", 5) == 0)
		return 0; /* the first line of `trace-cmd report` */
	if (!complete)
		return bad_line(text, "the trace breaks off in this line");
	return event_line(text, line, length);
}

static int check_end(struct text *text)
{
	struct trace *trace = text->trace;

	trace->line_count = text->line;
	if (text->entries_read == 0)
		return bad_line(text, "there is no event in this file");
	if (text->has_markers ? !trace->has_end : text->entries_read < text->entries_written)
		return bad_line(text, "the trace breaks off after this line");
	return 0;
}

int text_parse(struct trace *trace, struct problem *problem)
{
	struct text text = {.trace = trace, .problem = problem};
	const char *at = trace->text, *end = at + trace->text_bytes, *newline;
	int err = 0;

	while (at < end && !err) {
		newline = memchr(at, '\n', (size_t)(end - at));
		err = one_line(&text, at, (size_t)((newline ? newline : end) - at), newline);
		at = newline ? newline + 1 : end;
	}
	if (!err)
		err = check_end(&text);
	for (size_t i = 0; i < trace->count; i++)
		trace->events[i].vmm = text.tasks[trace->events[i].task].vmm;
	return err;
}
