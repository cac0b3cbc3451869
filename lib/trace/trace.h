/*
 * One trace in memory: its events in the order of the machine's counter and
 * what its first lines say about the machine.
 */
#ifndef REPLAY_TRACE_H
#define REPLAY_TRACE_H

#include "trace/event.h"
#include "trace/settings.h"

#include <sys/types.h>

/* Why a file cannot be used, in a sentence that names the file and the line. */
struct problem {
	char sentence[400];
};

struct trace {
	const char *path; /* borrowed */
	char *text;	  /* owned; events point into it */
	size_t text_bytes;
	struct event *events; /* owned; ignored lines are not kept */
	size_t count;
	unsigned int line_count;
	struct settings stated; /* by its own header */
	bool has_end;
};

/*
 * Reads a trace: plain text, xz (told by its first bytes, not by its name),
 * trace.dat, or standard input for "-". Returns 0, or a negative errno with
 * `problem` filled in; then nothing needs to be freed.
 */
int trace_read(const char *path, struct trace *trace, struct problem *problem);
void trace_free(struct trace *trace);

/* Room for one more event, zeroed; NULL without memory. The caller sets its kind. */
struct event *trace_append(struct trace *trace);

int problem_state(struct problem *problem, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* settle.c: puts what other tasks did in the midst of a fault before or behind it. */
void trace_settle(struct trace *trace);

/* Reads the text that trace->text holds. */
int trace_parse_text(struct trace *trace, struct problem *problem);

#endif
