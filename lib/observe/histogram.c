/*
 * The bucket of a value is its magnitude (how far it must be shifted to fit into
 * one row of steps) and the row's index: rows of TDP_HISTOGRAM_STEPS buckets, the
 * first holding the values that need no shift.
 */
#include <tdpsim/histogram.h>

static unsigned int bucket_of(uint64_t value)
{
	unsigned int top, shift;

	if (value < TDP_HISTOGRAM_STEPS)
		return (unsigned int)value;
	top = 63 - (unsigned int)__builtin_clzll(value);
	shift = top - TDP_HISTOGRAM_STEP_BITS;
	/* The shifted value keeps its leading 1, which adds one row to the index. */
	return (shift << TDP_HISTOGRAM_STEP_BITS) + (unsigned int)(value >> shift);
}

uint64_t tdp_histogram_bucket_end(unsigned int bucket)
{
	unsigned int row = bucket >> TDP_HISTOGRAM_STEP_BITS;
	uint64_t step = bucket & (TDP_HISTOGRAM_STEPS - 1);

	if (row == 0)
		return step;
	/* The last bucket ends at 2^64 - 1: the beginning of a next one would overflow. */
	return ((step + TDP_HISTOGRAM_STEPS) << (row - 1)) + (((uint64_t)1 << (row - 1)) - 1);
}

void tdp_histogram_record(struct tdp_histogram *histogram, uint64_t value)
{
	histogram->buckets[bucket_of(value)]++;
	histogram->count++;
	histogram->sum += value;
	if (value > histogram->largest)
		histogram->largest = value;
}

void tdp_histogram_merge(struct tdp_histogram *into, const struct tdp_histogram *from)
{
	for (unsigned int i = 0; i < TDP_HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
	into->count += from->count;
	into->sum += from->sum;
	if (from->largest > into->largest)
		into->largest = from->largest;
}

/* The number of values that is `percent` of all recorded ones: at least one, at most all. */
static uint64_t rank_of(const struct tdp_histogram *histogram, double percent)
{
	double share = percent / 100 * (double)histogram->count;
	uint64_t rank;

	if (!(share > 1))
		return 1;
	if (share >= (double)histogram->count)
		return histogram->count;
	rank = (uint64_t)share;
	return (double)rank < share ? rank + 1 : rank;
}

uint64_t tdp_histogram_percentile(const struct tdp_histogram *histogram, double percent)
{
	uint64_t left, end;

	if (!histogram->count)
		return 0;
	left = rank_of(histogram, percent);
	for (unsigned int i = 0; i < TDP_HISTOGRAM_BUCKETS; i++) {
		if (histogram->buckets[i] >= left) {
			end = tdp_histogram_bucket_end(i);
			return end < histogram->largest ? end : histogram->largest;
		}
		left -= histogram->buckets[i];
	}
	return histogram->largest;
}
