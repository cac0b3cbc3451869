/*
 * The histogram against exact answers: what it reports is never below the true
 * value and at most one step above it.
 */
#include <tdpsim/histogram.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
	*state = calloc(2, sizeof(struct tdp_histogram));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void an_empty_histogram_reports_zero(void **state)
{
	struct tdp_histogram *histogram = *state;

	assert_int_equal(tdp_histogram_percentile(histogram, 50), 0);
	assert_int_equal(histogram->largest, 0);
}

static void small_values_are_kept_exactly(void **state)
{
	struct tdp_histogram *histogram = *state;

	for (uint64_t value = 0; value < 2 * TDP_HISTOGRAM_STEPS; value++)
		tdp_histogram_record(histogram, value);
	for (uint64_t value = 0; value < 2 * TDP_HISTOGRAM_STEPS; value++)
		assert_int_equal(histogram->buckets[value], 1);
	assert_int_equal(tdp_histogram_percentile(histogram, 50), TDP_HISTOGRAM_STEPS - 1);
	assert_int_equal(tdp_histogram_percentile(histogram, 0), 0);
	assert_int_equal(tdp_histogram_percentile(histogram, 100), 2 * TDP_HISTOGRAM_STEPS - 1);
}

/* With a larger value present nothing clips the report to the largest. */
static uint64_t reported(struct tdp_histogram *histogram, uint64_t value)
{
	memset(histogram, 0, sizeof(*histogram));
	tdp_histogram_record(histogram, value);
	tdp_histogram_record(histogram, UINT64_MAX);
	return tdp_histogram_percentile(histogram, 50);
}

static void a_reported_value_is_at_most_a_step_above_the_recorded_one(void **state)
{
	struct tdp_histogram *histogram = *state;

	for (unsigned int bit = 0; bit < 63; bit++) {
		for (int64_t beside = -1; beside <= 1; beside++) {
			uint64_t value = ((uint64_t)3 << bit) / 2 + (uint64_t)beside;
			uint64_t shown = reported(histogram, value);

			assert_true(shown >= value);
			assert_true(shown - value <= value / TDP_HISTOGRAM_STEPS);
		}
	}
}

static void buckets_follow_each_other_without_a_gap(void **state)
{
	struct tdp_histogram *histogram = *state;
	uint64_t end = 0;

	/* The value behind a bucket's end opens the next bucket. */
	for (unsigned int bucket = 0; bucket + 1 < TDP_HISTOGRAM_BUCKETS; bucket++) {
		memset(histogram, 0, sizeof(*histogram));
		tdp_histogram_record(histogram, end);
		assert_int_equal(histogram->buckets[bucket], 1);
		end = reported(histogram, end) + 1;
	}
	memset(histogram, 0, sizeof(*histogram));
	tdp_histogram_record(histogram, UINT64_MAX);
	assert_int_equal(histogram->buckets[TDP_HISTOGRAM_BUCKETS - 1], 1);
}

static void percentiles_of_a_ramp_are_where_they_should_be(void **state)
{
	static const double asked[] = {1, 25, 50, 90, 99, 99.9};
	struct tdp_histogram *histogram = *state;

	for (uint64_t value = 1; value <= 100000; value++)
		tdp_histogram_record(histogram, value);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		uint64_t exact = (uint64_t)(asked[i] * 1000);
		uint64_t shown = tdp_histogram_percentile(histogram, asked[i]);

		assert_in_range(shown, exact, exact + exact / TDP_HISTOGRAM_STEPS);
	}
	assert_int_equal(tdp_histogram_percentile(histogram, 100), 100000);
	assert_int_equal(histogram->sum, 100000ull * 100001 / 2);
}

static void the_largest_value_is_exact(void **state)
{
	struct tdp_histogram *histogram = *state;

	tdp_histogram_record(histogram, 1000003);
	tdp_histogram_record(histogram, 17);
	assert_int_equal(histogram->largest, 1000003);
	assert_int_equal(tdp_histogram_percentile(histogram, 100), 1000003);
}

static void merging_equals_recording_everything_in_one(void **state)
{
	struct tdp_histogram *together = *state, *apart = together + 1;
	struct tdp_histogram *part = calloc(1, sizeof(*part));
	uint64_t value = 1;

	assert_non_null(part);
	for (int i = 0; i < 10000; i++) {
		value = value * 6364136223846793005ULL + 1442695040888963407ULL;
		tdp_histogram_record(together, value >> (i % 60));
		tdp_histogram_record(i % 3 ? apart : part, value >> (i % 60));
	}
	tdp_histogram_merge(apart, part);
	assert_memory_equal(apart, together, sizeof(*together));
	free(part);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define histogram_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		histogram_test(an_empty_histogram_reports_zero),
		histogram_test(small_values_are_kept_exactly),
		histogram_test(a_reported_value_is_at_most_a_step_above_the_recorded_one),
		histogram_test(buckets_follow_each_other_without_a_gap),
		histogram_test(percentiles_of_a_ramp_are_where_they_should_be),
		histogram_test(the_largest_value_is_exact),
		histogram_test(merging_equals_recording_everything_in_one),
	};

	return cmocka_run_group_tests_name("observe/histogram", tests, NULL, NULL);
}
