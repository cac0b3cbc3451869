/*
 * What one run of bench/limits was asked for and what it found, printed as a
 * table, line by line as it comes, or as one JSON object at the end.
 */
#ifndef BENCH_LIMITS_RESULT_H
#define BENCH_LIMITS_RESULT_H

#include <stdbool.h>
#include <stddef.h>

#include "limits/limits.h"
#include "limits/probe.h"

struct options {
	struct limits_config config; /* every field as used */
	const char *part;	     /* comma-separated names, or NULL for all */
	const char *pin;	     /* the text that config.cpus is from, or NULL */
	bool quick;		     /* the probes of struct limits alone */
	bool json;
};

struct line {
	const struct part *part;
	const struct probe *probe;
	struct sample sample;
};

struct result {
	const struct options *options;
	uint64_t table_bytes, huge_bytes; /* the tables' memory; of it in pages of 2M */
	struct limits limits;
	struct line *lines;
	size_t count, room;
	bool interrupted;
};

/* Takes a line. 0 or -ENOMEM. */
int result_add(struct result *result, const struct line *line);
void result_fini(struct result *result);

/* Of the table: what stands above all lines, and the last line that was added. */
void result_print_head(const struct result *result);
void result_print_line(const struct result *result);

/* The object on standard output. 0, or a negative errno if it could not be written. */
int result_print_json(const struct result *result);

#endif
