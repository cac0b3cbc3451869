/*
 * trace.dat by libtracecmd and libtraceevent: each record becomes the line that
 * the kernel would have printed, and is read as such, so there is one parser.
 * Two things differ from the text:
 *
 * - a marker is the event `print` of system `ftrace`;
 * - libtraceevent cannot evaluate the print format of kvm_mmu_get_page and
 *   kvm_mmu_prepare_zap_page, which call a helper: their text is built from the
 *   raw fields.
 *
 * The file says nothing of module parameters, so nothing is stated.
 */
#include "trace/tracedat.h"

#include "trace/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <trace-cmd.h>
#include <trace-seq.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

struct dat {
	struct trace *trace;
	struct problem *problem;
	struct tep_handle *tep;
	struct {
		int pid;
		bool vmm;
	} tasks[TASKS_MAX];
	unsigned int task_count;
	size_t text_room;
	unsigned int record;
	bool has_markers;
	int err;
};

bool tracedat_recognise(const char *data, size_t count)
{
	return count >= 10 && memcmp(data, "\x17\x08\x44tracing", 10) == 0;
}

static uint64_t field(struct tep_event *event, struct tep_record *record, const char *name)
{
	unsigned long long value = 0;

	tep_get_field_val(NULL, event, name, record, &value, 0);
	return value;
}

static void page_text(struct tep_event *event, struct tep_record *record, char *text, size_t size)
{
	struct raw_page raw = {
		.generation = field(event, record, "mmu_valid_gen"),
		.gfn = field(event, record, "gfn"),
		.role = field(event, record, "role"),
		.root_count = field(event, record, "root_count"),
		.unsync = field(event, record, "unsync"),
		.has_created = tep_find_field(event, "created") != NULL,
	};

	raw.created = raw.has_created && field(event, record, "created");
	parse_raw_page(&raw, text, size);
}

static void marker_text(struct tep_event *event, struct tep_record *record, char *text, size_t size)
{
	int length = 0;
	const char *words = tep_get_field_raw(NULL, event, "buf", record, &length, 0);
	const char *end = (const char *)record->data + record->size;

	if (!words)
		words = end;
	snprintf(text, size, "%.*s", (int)(end - words), words);
	text[strcspn(text, "\n")] = '\0';
}

static void printed_text(struct dat *dat, struct tep_record *record, char *text, size_t size)
{
	struct trace_seq seq;

	trace_seq_init(&seq);
	tep_print_event(dat->tep, &seq, record, "%s", TEP_PRINT_INFO);
	trace_seq_terminate(&seq);
	snprintf(text, size, "%s", seq.buffer);
	trace_seq_destroy(&seq);
}

static void record_line(struct dat *dat, struct tep_event *event, struct tep_record *record,
			char *line, size_t size)
{
	bool marker = strcmp(event->name, "print") == 0 && strcmp(event->system, "ftrace") == 0;
	int length = snprintf(line, size, "%s: ", marker ? "tracing_mark_write" : event->name);
	char *text = line + length;
	size_t room = size - (size_t)length;

	if (marker)
		marker_text(event, record, text, room);
	else if (strcmp(event->name, "kvm_mmu_get_page") == 0 ||
		 strcmp(event->name, "kvm_mmu_prepare_zap_page") == 0)
		page_text(event, record, text, room);
	else
		printed_text(dat, record, text, room);
}

/* Events point into the text by offset until it is complete: it may move. */
static int keep_line(struct dat *dat, const char *line, size_t length)
{
	struct trace *trace = dat->trace;
	size_t room = dat->text_room ? dat->text_room : 65536;
	char *text;

	while (room - trace->text_bytes < length)
		room *= 2;
	if (room != dat->text_room) {
		text = realloc(trace->text, room);
		if (!text)
			return -ENOMEM;
		trace->text = text;
		dat->text_room = room;
	}
	memcpy(trace->text + trace->text_bytes, line, length);
	trace->text_bytes += length;
	return 0;
}

/* Tasks are few; those beyond the table share its last number. */
static unsigned int task_number(struct dat *dat, int pid)
{
	unsigned int i;

	for (i = 0; i < dat->task_count; i++) {
		if (dat->tasks[i].pid == pid)
			return i;
	}
	if (i == TASKS_MAX)
		return TASKS_MAX - 1;
	dat->tasks[dat->task_count++].pid = pid;
	return i;
}

static int one_event(struct dat *dat, struct tep_event *tep_event, struct tep_record *record)
{
	struct event event = {.line = dat->record, .cpu = (unsigned int)record->cpu}, *kept;
	char line[LINE_MAX_BYTES];

	record_line(dat, tep_event, record, line, sizeof(line));
	if (!parse_event(line, strlen(line), &event))
		return problem_state(dat->problem, -EINVAL,
				     "%s: record %u: the fields of %s do not read as they should",
				     dat->trace->path, dat->record, tep_event->name);
	if (event.kind == EVENT_IGNORED)
		return 0;
	event.task = task_number(dat, tep_data_pid(dat->tep, record));
	dat->tasks[event.task].vmm |= event_is_marker(&event);
	dat->has_markers |= event_is_marker(&event);
	dat->trace->has_end |= event.kind == EVENT_END;
	event.text = NULL;
	kept = trace_append(dat->trace);
	if (!kept || keep_line(dat, line, event.length))
		return problem_state(dat->problem, -ENOMEM, "%s: no memory for its events",
				     dat->trace->path);
	*kept = event;
	return 0;
}

static int on_record(struct tracecmd_input *input, struct tep_record *record, int cpu,
		     void *context)
{
	struct dat *dat = context;
	struct tep_event *event = tep_find_event_by_record(dat->tep, record);

	(void)input;
	(void)cpu;
	dat->record++;
	if (record->missed_events)
		dat->err = problem_state(
			dat->problem, -EINVAL,
			"%s: record %u: events were lost here when the trace was taken",
			dat->trace->path, dat->record);
	else if (event)
		dat->err = one_event(dat, event, record);
	return dat->err;
}

static void complete_events(struct dat *dat)
{
	struct trace *trace = dat->trace;
	const char *at = trace->text;

	for (size_t i = 0; i < trace->count; i++) {
		trace->events[i].text = at;
		trace->events[i].vmm = dat->tasks[trace->events[i].task].vmm;
		at += trace->events[i].length;
	}
}

static int read_records(struct dat *dat, struct tracecmd_input *input)
{
	dat->tep = tracecmd_get_tep(input);
	if (tracecmd_iterate_events(input, NULL, 0, on_record, dat) && !dat->err)
		dat->err = problem_state(dat->problem, -EINVAL,
					 "%s: record %u: the file cannot be read further",
					 dat->trace->path, dat->record + 1);
	if (!dat->err && dat->has_markers && !dat->trace->has_end)
		dat->err = problem_state(dat->problem, -EINVAL,
					 "%s: record %u: the trace breaks off after this record",
					 dat->trace->path, dat->record);
	if (!dat->err && dat->trace->count == 0)
		dat->err = problem_state(dat->problem, -EINVAL,
					 "%s: record 1: there is no event "
					 "of KVM in this file",
					 dat->trace->path);
	dat->trace->line_count = dat->record;
	complete_events(dat);
	return dat->err;
}

/* libtracecmd seeks, and standard input cannot: so it gets a file without a name. */
static int file_of(const char *data, size_t count)
{
	FILE *file = tmpfile();
	int fd = -1;

	if (file && fwrite(data, 1, count, file) == count && fflush(file) == 0)
		fd = dup(fileno(file));
	if (file)
		fclose(file);
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

int tracedat_read(struct trace *trace, const char *data, size_t count, struct problem *problem)
{
	struct dat dat = {.trace = trace, .problem = problem};
	struct tracecmd_input *input;
	int fd = file_of(data, count), err;

	if (fd < 0)
		return problem_state(problem, -errno, "%s: no temporary file for it: %s",
				     trace->path, strerror(errno));
	tracecmd_set_loglevel(TEP_LOG_NONE);
	tep_set_loglevel(TEP_LOG_NONE);
	input = tracecmd_open_fd(fd, TRACECMD_FL_LOAD_NO_PLUGINS);
	if (!input) {
		close(fd);
		return problem_state(problem, -EINVAL,
				     "%s: record 1: trace-cmd's library cannot open the file: "
				     "it is cut off or damaged",
				     trace->path);
	}
	err = read_records(&dat, input);
	tracecmd_close(input);
	return err;
}
