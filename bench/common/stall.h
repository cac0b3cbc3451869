/*
 * How long the accesses of a phase stalled, each from its first exit until it was done. Accesses
 * without an exit are counted, but not timed.
 */
#ifndef BENCH_STALL_H
#define BENCH_STALL_H

#include <jansson.h>

#include <tdpsim/histogram.h>

/* A bucket that is not empty. */
struct stall_bucket {
	uint64_t le_ns; /* the largest value that falls into it */
	uint64_t count;
};

/* Zeroed memory: nothing was timed. */
struct stall {
	bool timed;
	uint64_t count; /* accesses that stalled */
	uint64_t total_ns, p50_ns, p99_ns, max_ns;
	struct stall_bucket *buckets; /* in ascending order; owned */
	size_t bucket_count;
};

/* Summarises `histogram`. Ends the program if there is no memory. */
struct stall stall_of(const struct tdp_histogram *histogram);
void stall_fini(struct stall *stall);

/* New reference; JSON null if nothing was timed. */
json_t *stall_json(const struct stall *stall);

/* Prints a line of the table, if an access stalled. */
void stall_print(const struct stall *stall, uint64_t accesses);

#endif
