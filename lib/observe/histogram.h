/*
 * A log-linear histogram of 64-bit values, meant for latencies in nanoseconds
 *
 * Values below HISTOGRAM_STEPS are kept exactly. Above, each power of two is
 * divided into HISTOGRAM_STEPS equal buckets, so a reported value is never below
 * the recorded one and exceeds it by less than 1/HISTOGRAM_STEPS. Fixed size, no
 * allocation, every 64-bit value has a bucket.
 *
 * Used by one actor at a time: each has its own, merged when they rest.
 */
#ifndef TDPSIM_OBSERVE_HISTOGRAM_H
#define TDPSIM_OBSERVE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEP_BITS 5
#define HISTOGRAM_STEPS	    (1 << HISTOGRAM_STEP_BITS)
#define HISTOGRAM_BUCKETS   ((64 - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS)

/* Zeroed memory is an empty histogram. */
struct histogram {
	uint64_t count;	  /* sum of all buckets */
	uint64_t sum;	  /* of the values themselves; wraps after 584 years */
	uint64_t largest; /* exact; 0 if empty */
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

/*
 * The value that `percent` (0 to 100) of the recorded ones do not exceed: the
 * upper end of its bucket, but never above the largest. 0 if empty.
 */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

static inline uint64_t histogram_max(const struct histogram *histogram)
{
	return histogram->largest;
}

static inline double histogram_mean(const struct histogram *histogram)
{
	return histogram->count ? (double)histogram->sum / (double)histogram->count : 0;
}

#endif
