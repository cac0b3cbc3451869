/*
 * A trace file into memory: standard input, plain text, xz by liblzma, and
 * trace.dat handed on to its own reader. What a file is is told by its first
 * bytes; its name decides nothing.
 */
#include "trace/tracedat.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK ((size_t)1 << 16)

int problem_state(struct problem *problem, int err, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(problem->sentence, sizeof(problem->sentence), format, arguments);
	va_end(arguments);
	return err;
}

struct bytes {
	char *data;
	size_t count, room;
};

static int bytes_reserve(struct bytes *bytes, size_t more)
{
	size_t room = bytes->room ? bytes->room : CHUNK;
	char *data;

	while (room - bytes->count < more)
		room *= 2;
	if (room == bytes->room)
		return 0;
	data = realloc(bytes->data, room);
	if (!data)
		return -ENOMEM;
	bytes->data = data;
	bytes->room = room;
	return 0;
}

static int read_all(int fd, const char *path, struct bytes *bytes, struct problem *problem)
{
	ssize_t got;

	do {
		if (bytes_reserve(bytes, CHUNK))
			return problem_state(problem, -ENOMEM, "%s: no memory to read it", path);
		got = read(fd, bytes->data + bytes->count, CHUNK);
		if (got > 0)
			bytes->count += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0)
		return problem_state(problem, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static bool is_xz(const struct bytes *bytes)
{
	return bytes->count >= 6 && memcmp(bytes->data, "\xfd\x37\x7a\x58\x5a\x00", 6) == 0;
}

static unsigned int count_lines(const char *text, size_t count)
{
	unsigned int lines = 0;

	for (size_t i = 0; i < count; i++)
		lines += text[i] == '\n';
	return lines;
}

static lzma_ret unpack_step(lzma_stream *stream, struct bytes *out)
{
	lzma_ret ret;

	if (bytes_reserve(out, CHUNK))
		return LZMA_MEM_ERROR;
	stream->next_out = (uint8_t *)out->data + out->count;
	stream->avail_out = CHUNK;
	ret = lzma_code(stream, LZMA_FINISH);
	out->count += CHUNK - stream->avail_out;
	return ret;
}

static int unpack(const char *path, const struct bytes *in, struct bytes *out,
		  struct problem *problem)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret ret = lzma_stream_decoder(&stream, UINT64_MAX, LZMA_CONCATENATED);

	stream.next_in = (const uint8_t *)in->data;
	stream.avail_in = in->count;
	while (ret == LZMA_OK)
		ret = unpack_step(&stream, out);
	lzma_end(&stream);
	if (ret == LZMA_STREAM_END)
		return 0;
	if (ret == LZMA_MEM_ERROR)
		return problem_state(problem, -ENOMEM, "%s: no memory to unpack it", path);
	return problem_state(problem, -EINVAL, "%s: line %u: the xz data is %s", path,
			     count_lines(out->data, out->count) + 1,
			     ret == LZMA_BUF_ERROR ? "truncated" : "damaged");
}

struct event *trace_append(struct trace *trace)
{
	struct event *events = trace->events;

	if (trace->count % 1024 == 0) {
		events = realloc(events, (trace->count + 1024) * sizeof(*events));
		if (!events)
			return NULL;
		trace->events = events;
	}
	memset(&events[trace->count], 0, sizeof(*events));
	return &events[trace->count++];
}

void trace_free(struct trace *trace)
{
	free(trace->text);
	free(trace->events);
	trace->text = NULL;
	trace->events = NULL;
	trace->count = 0;
}

static int read_text(struct trace *trace, struct bytes *bytes, struct problem *problem)
{
	struct bytes unpacked = {0};
	int err;

	if (is_xz(bytes)) {
		err = unpack(trace->path, bytes, &unpacked, problem);
		free(bytes->data);
		*bytes = unpacked;
		if (err)
			return err;
	}
	trace->text = bytes->data;
	trace->text_bytes = bytes->count;
	bytes->data = NULL;
	return trace_parse_text(trace, problem);
}

/*
 * How deep the machine's tables are stands in no header: the entries say it. Two
 * witnesses are asked for, so that one wrong line is a difference and not another
 * machine.
 */
static void state_levels(struct trace *trace)
{
	unsigned int four = 0, five = 0, level;

	for (size_t i = 0; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		level = event->kind == EVENT_SPTE_CHANGED ? event->u.changed.level
			: event->kind == EVENT_GET_PAGE	  ? event->u.page.level
			: event->kind == EVENT_LOAD_ROOT  ? event->u.load.level
							  : 0;
		four += level == 4;
		five += level == 5;
	}
	if (five > 1)
		trace->stated.value[SETTING_LEVELS] = 5;
	else if (four > 1)
		trace->stated.value[SETTING_LEVELS] = 4;
}

static int read_opened(int fd, struct trace *trace, struct problem *problem)
{
	struct bytes bytes = {0};
	int err = read_all(fd, trace->path, &bytes, problem);

	if (!err && tracedat_recognise(bytes.data, bytes.count))
		err = tracedat_read(trace, bytes.data, bytes.count, problem);
	else if (!err)
		err = read_text(trace, &bytes, problem);
	free(bytes.data);
	if (!err) {
		state_levels(trace);
		trace_settle(trace);
	}
	return err;
}

int trace_read(const char *path, struct trace *trace, struct problem *problem)
{
	bool standard_input = strcmp(path, "-") == 0;
	int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int err;

	memset(trace, 0, sizeof(*trace));
	trace->path = path;
	trace->stated = settings_unknown();
	if (fd < 0)
		return problem_state(problem, -errno, "%s: %s", path, strerror(errno));
	err = read_opened(fd, trace, problem);
	if (!standard_input)
		close(fd);
	if (err)
		trace_free(trace);
	return err;
}
