#include "common/stall.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/memory.h"
#include "common/size.h"

static size_t filled_buckets(const struct tdp_histogram *histogram)
{
	size_t filled = 0;

	for (unsigned int i = 0; i < TDP_HISTOGRAM_BUCKETS; i++)
		filled += histogram->buckets[i] != 0;
	return filled;
}

struct stall stall_of(const struct tdp_histogram *histogram)
{
	struct stall stall = {
		.timed = true,
		.count = histogram->count,
		.total_ns = histogram->sum,
		.p50_ns = tdp_histogram_percentile(histogram, 50),
		.p99_ns = tdp_histogram_percentile(histogram, 99),
		.max_ns = histogram->largest,
	};

	stall.buckets = must_calloc(filled_buckets(histogram), sizeof(*stall.buckets));
	for (unsigned int i = 0; i < TDP_HISTOGRAM_BUCKETS; i++)
		if (histogram->buckets[i])
			stall.buckets[stall.bucket_count++] = (struct stall_bucket){
				tdp_histogram_bucket_end(i), histogram->buckets[i]};
	return stall;
}

void stall_fini(struct stall *stall)
{
	free(stall->buckets);
	*stall = (struct stall){0};
}

static json_t *count_json(uint64_t count)
{
	return json_integer((json_int_t)count);
}

static json_t *buckets_json(const struct stall *stall)
{
	json_t *buckets = json_array();

	for (size_t i = 0; i < stall->bucket_count; i++) {
		json_t *bucket = json_object();

		json_object_set_new(bucket, "le_ns", count_json(stall->buckets[i].le_ns));
		json_object_set_new(bucket, "count", count_json(stall->buckets[i].count));
		json_array_append_new(buckets, bucket);
	}
	return buckets;
}

json_t *stall_json(const struct stall *stall)
{
	json_t *object;

	if (!stall->timed)
		return json_null();
	object = json_object();
	json_object_set_new(object, "count", count_json(stall->count));
	json_object_set_new(object, "total_ns", count_json(stall->total_ns));
	json_object_set_new(object, "p50_ns", count_json(stall->p50_ns));
	json_object_set_new(object, "p99_ns", count_json(stall->p99_ns));
	json_object_set_new(object, "max_ns", count_json(stall->max_ns));
	json_object_set_new(object, "histogram", buckets_json(stall));
	return object;
}

void stall_print(const struct stall *stall, uint64_t accesses)
{
	char p50[SIZE_TEXT], p99[SIZE_TEXT], most[SIZE_TEXT], total[SIZE_TEXT];

	if (!stall->timed || !stall->count)
		return;
	printf("  stalled %" PRIu64 " of %" PRIu64 " accesses: p50 %s, p99 %s, most %s, all %s\n",
	       stall->count, accesses, time_about(stall->p50_ns, p50),
	       time_about(stall->p99_ns, p99), time_about(stall->max_ns, most),
	       time_about(stall->total_ns, total));
}
