/*
 * Each record becomes the line that the kernel would have printed, so that there is one
 * parser. Two things differ from the kernel's text:
 *
 * - A marker is the event `print` of system `ftrace`.
 * - libtraceevent cannot evaluate the print format of kvm_mmu_get_page and
 *   kvm_mmu_prepare_zap_page, which calls a helper: their text is built from the raw
 *   fields.
 *
 * The file says nothing of module parameters, so nothing is stated.
 */
#include "trace/tracedat.h"

#include "trace/limits.h"
#include "trace/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <trace-cmd.h>
#include <trace-seq.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

/* How the child ended. */
enum child_status { CHILD_DONE, CHILD_CANNOT_OPEN, CHILD_BROKE_OFF };

/* What the child works on. */
struct printer {
	struct tep_handle *tep;
	FILE *text;
	unsigned int record;
};

bool tracedat_recognises(const struct bytes *bytes)
{
	return bytes->count >= 10 && memcmp(bytes->data, "\x17\x08\x44tracing", 10) == 0;
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
}

static void printed_text(struct printer *printer, struct tep_record *record, char *text,
			 size_t size)
{
	struct trace_seq seq;

	trace_seq_init(&seq);
	tep_print_event(printer->tep, &seq, record, "%s", TEP_PRINT_INFO);
	trace_seq_terminate(&seq);
	snprintf(text, size, "%s", seq.buffer);
	trace_seq_destroy(&seq);
}

static void event_text(struct printer *printer, struct tep_event *event, struct tep_record *record,
		       char *line, size_t size)
{
	bool marker = strcmp(event->name, "print") == 0 && strcmp(event->system, "ftrace") == 0;
	int length = snprintf(line, size, "%s: ", marker ? "tracing_mark_write" : event->name);
	char *text = line + length;
	size_t room;

	if ((size_t)length >= size)
		return;
	room = size - (size_t)length;
	if (marker)
		marker_text(event, record, text, room);
	else if (strcmp(event->name, "kvm_mmu_get_page") == 0 ||
		 strcmp(event->name, "kvm_mmu_prepare_zap_page") == 0)
		page_text(event, record, text, room);
	else
		printed_text(printer, record, text, room);
	line[strcspn(line, "\n")] = '\0';
}

/* One line for each record, so that the number of a line is that of its record. */
static int on_record(struct tracecmd_input *input, struct tep_record *record, int cpu,
		     void *context)
{
	struct printer *printer = context;
	struct tep_event *event = tep_find_event_by_record(printer->tep, record);
	char line[LINE_MAX_BYTES] = "unknown: ";

	(void)input;
	(void)cpu;
	printer->record++;
	if (event)
		event_text(printer, event, record, line, sizeof(line));
	fprintf(printer->text, "%d [%d] %u: %s%s\n", tep_data_pid(printer->tep, record),
		record->cpu, printer->record, record->missed_events ? "[LOST EVENTS] " : "", line);
	return ferror(printer->text) ? -1 : 0;
}

static enum child_status print_records(int file, FILE *text)
{
	struct printer printer = {.text = text};
	struct tracecmd_input *input;

	tracecmd_set_loglevel(TEP_LOG_NONE);
	tep_set_loglevel(TEP_LOG_NONE);
	input = tracecmd_open_fd(file, TRACECMD_FL_LOAD_NO_PLUGINS);
	if (!input)
		return CHILD_CANNOT_OPEN;
	printer.tep = tracecmd_get_tep(input);
	if (tracecmd_iterate_events(input, NULL, 0, on_record, &printer) || fflush(text))
		return CHILD_BROKE_OFF;
	return CHILD_DONE;
}

/* Bytes of address space in use now, or 0: a sanitizer's build begins with terabytes. */
static rlim_t address_space(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void limit(int resource, rlim_t value)
{
	struct rlimit limits;

	if (getrlimit(resource, &limits))
		return;
	if (limits.rlim_cur == RLIM_INFINITY || limits.rlim_cur > value)
		limits.rlim_cur = value;
	setrlimit(resource, &limits);
}

static void __attribute__((noreturn)) run_child(int file, int pipe_end)
{
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	FILE *text = fdopen(pipe_end, "w");

	/* Nobody is to read what the libraries, or a sanitizer, say of a damaged file. */
	if (nowhere >= 0)
		dup2(nowhere, STDERR_FILENO);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_CPU, TRACE_DAT_CPU_SECONDS);
	limit(RLIMIT_AS, address_space() + TRACE_DAT_MEMORY);
	_exit(text ? (int)print_records(file, text) : (int)CHILD_CANNOT_OPEN);
}

/* libtracecmd seeks, which standard input cannot do: give it a file without a name. */
static int file_of(const struct bytes *in)
{
	int fd = memfd_create("trace.dat", MFD_CLOEXEC);
	size_t done = 0;
	ssize_t put;

	while (fd >= 0 && done < in->count) {
		put = write(fd, in->data + done, in->count - done);
		if (put <= 0) {
			close(fd);
			return -1;
		}
		done += (size_t)put;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Starts the child. Stores its process and the end of the pipe to read from. */
static int start_child(int file, pid_t *child, int *from)
{
	int ends[2], err;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	*child = fork();
	if (*child == 0)
		run_child(file, ends[1]);
	err = *child < 0 ? -errno : 0;
	close(ends[1]);
	if (err)
		close(ends[0]);
	else
		*from = ends[0];
	return err;
}

static unsigned int count_lines(const struct bytes *text)
{
	unsigned int lines = 0;

	for (size_t i = 0; i < text->count; i++)
		lines += text->data[i] == '\n';
	return lines;
}

static int state_end(const char *path, const struct bytes *out, int status, struct problem *problem)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_DONE)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_BROKE_OFF)
		return problem_state(problem, -EINVAL,
				     "%s: record %u: the file cannot be read further", path,
				     count_lines(out) + 1);
	return problem_state(problem, -EINVAL,
			     "%s: record %u: trace-cmd's library cannot read the file within %zu "
			     "MiB and %d seconds: it is cut off or damaged",
			     path, count_lines(out) + 1, TRACE_DAT_MEMORY / TRACE_MIB,
			     TRACE_DAT_CPU_SECONDS);
}

static int read_child(const char *path, int from, pid_t child, struct bytes *out,
		      struct problem *problem)
{
	int err = bytes_read(out, from), status = 0;

	/* A child that still prints meets a closed pipe and ends. */
	close(from);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (err == -E2BIG)
		return problem_state(problem, err,
				     "%s: the file has more than %zu MiB of text, the limit", path,
				     out->limit / TRACE_MIB);
	if (err)
		return problem_state(problem, err, "%s: %s", path, strerror(-err));
	return state_end(path, out, status, problem);
}

int tracedat_to_text(const char *path, const struct bytes *in, struct bytes *out,
		     struct problem *problem)
{
	int file = file_of(in), from = -1, err;
	pid_t child = -1;

	if (file < 0)
		return problem_state(problem, -errno, "%s: no temporary file for it: %s", path,
				     strerror(errno));
	err = start_child(file, &child, &from);
	close(file);
	if (err)
		return problem_state(problem, err, "%s: no process to read it: %s", path,
				     strerror(-err));
	return read_child(path, from, child, out, problem);
}
