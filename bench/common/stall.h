/*
 * What the guest felt during a phase: how long its accesses stood still, each from
 * its first exit until it was done. Of accesses that took no exit nothing is known
 * but their number.
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

/* Zeroed memory is a phase in which nothing was timed. */
struct stall {
	bool timed;
	uint64_t count; /* accesses that stood still */
	uint64_t total_ns, p50_ns, p99_ns, max_ns;
	struct stall_bucket *buckets; /* in order; the holder's */
	size_t bucket_count;
};

/* Short for `histogram`, which holds all vCPUs' stalls; ends the program without memory. */
struct stall stall_of(const struct tdp_histogram *histogram);
void stall_fini(struct stall *stall);

/* New reference; JSON null where nothing was timed. */
json_t *stall_json(const struct stall *stall);

/* A line of the table, where there is something to say. */
void stall_print(const struct stall *stall, uint64_t accesses);

#endif
