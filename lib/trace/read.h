/*
 * A trace file into memory: plain text, xz or trace.dat, told apart by their first bytes.
 */
#ifndef TRACE_READ_H
#define TRACE_READ_H

#include "trace/problem.h"
#include "trace/trace.h"

/*
 * Reads the file at `path`, or standard input for "-". Returns 0, or a negative errno with
 * `problem` filled in; then nothing needs to be freed. limits.h says what is refused.
 */
int trace_read(const char *path, struct trace *trace, struct problem *problem);

#endif
