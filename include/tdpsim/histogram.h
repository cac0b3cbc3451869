#ifndef TDPSIM_HISTOGRAM_H
#define TDPSIM_HISTOGRAM_H

#include <tdpsim/types.h>

#define TDP_HISTOGRAM_STEP_BITS 5
#define TDP_HISTOGRAM_STEPS	(1 << TDP_HISTOGRAM_STEP_BITS)
#define TDP_HISTOGRAM_BUCKETS	((64 - TDP_HISTOGRAM_STEP_BITS + 1) * TDP_HISTOGRAM_STEPS)

/**
 * A log-linear histogram of 64-bit values, meant for times in nanoseconds.
 *
 * Values below TDP_HISTOGRAM_STEPS are kept exactly. Above, each power of two is
 * divided into TDP_HISTOGRAM_STEPS equal buckets, so a reported value is never below
 * the recorded one and exceeds it by less than 1/TDP_HISTOGRAM_STEPS. Fixed size,
 * no allocation, every value has a bucket. Zeroed memory is an empty histogram.
 *
 * Threads: one at a time for each histogram. Give each thread its own and merge them
 * when all have stopped.
 */
struct tdp_histogram {
	uint64_t count;	  /* sum of all buckets */
	uint64_t sum;	  /* of the values themselves; wraps after 584 years of ns */
	uint64_t largest; /* exact; 0 if empty */
	uint64_t buckets[TDP_HISTOGRAM_BUCKETS];
};

TDP_API void tdp_histogram_record(struct tdp_histogram *histogram, uint64_t value);
TDP_API void tdp_histogram_merge(struct tdp_histogram *into, const struct tdp_histogram *from);

/**
 * The value that `percent` (0 to 100) of the recorded ones do not exceed: the
 * upper end of its bucket, but never above the largest. 0 if empty.
 */
TDP_API uint64_t tdp_histogram_percentile(const struct tdp_histogram *histogram, double percent);

/** The largest value that bucket number `bucket` (below TDP_HISTOGRAM_BUCKETS) holds. */
TDP_API uint64_t tdp_histogram_bucket_end(unsigned int bucket);

#endif
