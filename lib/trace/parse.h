/*
 * From the words of one trace line to a struct event.
 */
#ifndef TRACE_PARSE_H
#define TRACE_PARSE_H

#include "trace/event.h"

/*
 * Reads "name: words" as KVM's tracepoints and probes print it. False if a line of a known
 * name does not read as it should; an unknown name gives EVENT_IGNORED.
 */
bool parse_event(const char *text, size_t length, struct event *event);

/*
 * Prints a page-table page as the kernel does (mmutrace.h), for events that carry only the
 * raw fields.
 */
struct raw_page {
	uint64_t generation, gfn, role, root_count, unsync, created;
	bool has_created;
};

void parse_raw_page(const struct raw_page *raw, char *text, size_t size);

#endif
