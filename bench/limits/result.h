/*
 * The options and results of one run of bench/limits, printed as a table, line by line, or as one
 * JSON object at the end.
 */
#ifndef BENCH_LIMITS_RESULT_H
#define BENCH_LIMITS_RESULT_H

#include <stdbool.h>
#include <stddef.h>

#include "limits/limits.h"
#include "limits/probe.h"

struct options {
	struct limits_config config; /* with defaults filled in */
	const char *part;	     /* comma-separated names, or NULL for all */
	const char *pin;	     /* text of --pin, or NULL */
	bool quick;		     /* only the probes of struct limits */
	bool json;
};

struct line {
	const struct part *part;
	const struct probe *probe;
	struct sample sample;
};

struct result {
	const struct options *options;
	uint64_t table_bytes, huge_bytes; /* memory of the tables; the part of it in 2M pages */
	struct limits limits;
	struct line *lines;
	size_t count, room;
	bool interrupted;
};

/* Adds a line. 0 or -ENOMEM. */
int result_add(struct result *result, const struct line *line);
void result_fini(struct result *result);

/* Prints the heading of the table; the last line that was added. */
void result_print_head(const struct result *result);
void result_print_line(const struct result *result);

/* Prints the object to standard output. 0, or a negative errno if that failed. */
int result_print_json(const struct result *result);

#endif
