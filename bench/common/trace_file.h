/*
 * A VM's events as a file in the kernel's ftrace text, the prefix of the lines
 * included: task and number (the acting vCPU), CPU (likewise), time in ns.
 */
#ifndef BENCH_TRACE_FILE_H
#define BENCH_TRACE_FILE_H

#include <stdio.h>

#include <tdpsim/trace.h>

struct trace_file {
	const char *path;
	FILE *file;
};

/* 0 or a negative errno; then the reason has been printed. */
int trace_file_open(struct trace_file *trace, const char *path);
/* The same; also if anything could not be written since it was opened. */
int trace_file_close(struct trace_file *trace);

/* A tdp_trace_sink; the context is a struct trace_file. Any thread. */
void trace_file_sink(void *context, const struct tdp_trace_event *event);

#endif
