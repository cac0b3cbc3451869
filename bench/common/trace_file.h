/*
 * Writes the events of a VM to a file as ftrace text, including the prefix of each line: task and
 * number (the vCPU), CPU (likewise), time in ns.
 */
#ifndef BENCH_TRACE_FILE_H
#define BENCH_TRACE_FILE_H

#include <stdio.h>

#include <tdpsim/trace.h>

struct trace_file {
	const char *path;
	FILE *file;
};

/* Returns 0, or a negative errno after printing the reason. */
int trace_file_open(struct trace_file *trace, const char *path);
/* Likewise; also reports a write that failed since the file was opened. */
int trace_file_close(struct trace_file *trace);

/* A tdp_trace_sink, callable by any thread; the context is a struct trace_file. */
void trace_file_sink(void *context, const struct tdp_trace_event *event);

#endif
