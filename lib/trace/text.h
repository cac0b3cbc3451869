/*
 * The text of the `trace` file of tracefs, and of `trace-cmd report`.
 */
#ifndef TRACE_TEXT_H
#define TRACE_TEXT_H

#include "trace/problem.h"
#include "trace/trace.h"

/*
 * Reads the text that trace->text holds. Returns 0, or a negative errno with `problem`
 * filled in.
 */
int text_parse(struct trace *trace, struct problem *problem);

#endif
