#include "trace/read.h"

#include "trace/limits.h"
#include "trace/settle.h"
#include "trace/text.h"
#include "trace/tracedat.h"
#include "trace/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int read_file(int fd, const char *path, struct bytes *bytes, struct problem *problem)
{
	int err = bytes_read(bytes, fd);

	if (err == -E2BIG)
		return problem_state(problem, err, "%s: the file is larger than %zu MiB, the limit",
				     path, bytes->limit / TRACE_MIB);
	if (err)
		return problem_state(problem, err, "%s: %s", path, strerror(-err));
	return 0;
}

/* Replaces the bytes by the text that they stand for. */
static int to_text(struct trace *trace, struct bytes *bytes, struct problem *problem)
{
	struct bytes text = {.limit = TRACE_TEXT_MAX};
	int err;

	if (tracedat_recognises(bytes)) {
		trace->unit = "record";
		err = tracedat_to_text(trace->path, bytes, &text, problem);
	} else if (unpack_recognises(bytes)) {
		err = unpack(trace->path, bytes, &text, problem);
	} else {
		return 0;
	}
	bytes_free(bytes);
	*bytes = text;
	return err;
}

static unsigned int level_shown(const struct event *event)
{
	return event->kind == EVENT_SPTE_CHANGED ? event->u.changed.level
	       : event->kind == EVENT_GET_PAGE	 ? event->u.page.level
	       : event->kind == EVENT_LOAD_ROOT	 ? event->u.load.level
						 : 0;
}

/*
 * No header states how deep the machine's tables are, and a trace.dat states no kernel: the
 * entries show both. Two witnesses are asked for, so that one wrong line is a difference
 * and not another machine.
 */
static void state_shown(struct trace *trace)
{
	unsigned int four = 0, five = 0, access[2] = {0, 0};

	for (size_t i = 0; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		four += level_shown(event) == 4;
		five += level_shown(event) == 5;
		if (event->kind == EVENT_SPTE_REQUESTED)
			access[event->u.requested.has_access]++;
	}
	if (five > 1)
		trace->header.levels = 5;
	else if (four > 1)
		trace->header.levels = 4;
	if (access[0] > 1 || access[1] > 1)
		trace->header.four_access = access[1] > access[0];
}

static int read_opened(int fd, struct trace *trace, struct problem *problem)
{
	struct bytes bytes = {.limit = TRACE_FILE_MAX};
	int err = read_file(fd, trace->path, &bytes, problem);

	if (!err)
		err = to_text(trace, &bytes, problem);
	trace->text = bytes.data;
	trace->text_bytes = bytes.count;
	if (!err)
		err = text_parse(trace, problem);
	if (!err) {
		state_shown(trace);
		err = settle_trace(trace);
		if (err)
			problem_state(problem, err, "%s: no memory for its events", trace->path);
	}
	return err;
}

int trace_read(const char *path, struct trace *trace, struct problem *problem)
{
	bool standard_input = strcmp(path, "-") == 0;
	int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int err;

	*trace = trace_empty(path);
	if (fd < 0)
		return problem_state(problem, -errno, "%s: %s", path, strerror(errno));
	err = read_opened(fd, trace, problem);
	if (!standard_input)
		close(fd);
	if (err)
		trace_free(trace);
	return err;
}
