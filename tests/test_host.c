/*
 * The host: what a config may say, what a host costs before anything is touched,
 * and that a host which could not be made leaves nothing behind.
 */
#include "host/host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "host/frame.h"
#include "host/window.h"
#include "support/hosts.h"

#define TIB (1024 * GIB)

#if defined(__SANITIZE_THREAD__)
#define TSAN true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN true
#endif
#endif
#ifndef TSAN
#define TSAN false
#endif

static void a_config_of_zeroes_is_a_host_of_64_gib(void **state)
{
	struct tdp_host_memory usage;
	struct tdp_host *host;

	(void)state;
	assert_int_equal(tdp_host_create(NULL, &host), 0);
	tdp_host_usage(host, &usage);
	assert_int_equal(usage.free_data_frames, 64 * GIB / TDP_PAGE_SIZE);
	assert_int_equal(usage.data_frames, 0);
	assert_int_equal(usage.table_frames, 0);
	assert_true(usage.free_table_frames > 64 * GIB / TDP_PAGE_SIZE / 512);
	assert_int_equal(host->config.nodes, 1);
	assert_int_equal(host->config.maxphyaddr, 52);
	tdp_host_destroy(host);
}

/* One wrong field a line, and a word that the report must have. */
struct mistake {
	struct tdp_host_config config;
	const char *word;
};

static void *some_allocate(void *context, size_t alignment, size_t bytes)
{
	(void)context;
	(void)alignment;
	(void)bytes;
	return NULL;
}

static const struct mistake mistakes[] = {
	{{.size = 8192}, "size"},
	{{.memory_bytes = GIB + 1}, "memory_bytes"},
	{{.memory_bytes = UINT64_MAX & ~(GIB - 1)}, "memory_bytes"},
	{{.table_bytes = MIB}, "table_bytes"},
	{{.table_bytes = UINT64_MAX & ~(2 * MIB - 1)}, "table_bytes"},
	{{.table_bytes = 4 * MIB, .nodes = 3}, "table_bytes"},
	{{.carveout_bytes = 4096}, "carveout_bytes"},
	{{.carveout_bytes = 65 * GIB}, "carveout_bytes"},
	{{.nodes = 65, .memory_bytes = TIB / 2}, "nodes"},
	{{.nodes = 2, .memory_bytes = GIB}, "nodes"},
	{{.nodes = 2, .memory_bytes = 2 * GIB, .carveout_bytes = GIB}, "nodes"},
	{{.maxphyaddr = 35}, "maxphyaddr"},
	{{.maxphyaddr = 53}, "maxphyaddr"},
	{{.maxphyaddr = 36, .memory_bytes = 64 * GIB}, "maxphyaddr"},
	{{.hugetlb_2m = UINT64_MAX}, "hugetlb_2m"},
	{{.hugetlb_1g = UINT64_MAX}, "hugetlb_1g"},
	{{.hugetlb_1g = 64, .hugetlb_2m = 1}, "hugetlb_2m"},
	/* The first node has 1 GiB and would have to hold half of them. */
	{{.memory_bytes = 3 * GIB, .nodes = 2, .hugetlb_2m = 1536}, "hugetlb_2m"},
	{{.allocator = {some_allocate, NULL, NULL}}, "allocator"},
};

static void a_wrong_field_is_refused_with_a_sentence_that_names_it(void **state)
{
	struct tdp_host *const before = (struct tdp_host *)&mistakes;
	struct tdp_host_config config;
	struct test_host test;

	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		host_prepare(&test);
		config = mistakes[i].config;
		config.report = test.config.report;
		config.report_context = &test;
		test.host = before;
		assert_int_equal(tdp_host_create(&config, &test.host), -EINVAL);
		assert_ptr_equal(test.host, before);
		if (!strstr(test.report, mistakes[i].word))
			fail_msg("line %zu: \"%s\" does not name %s", i, test.report,
				 mistakes[i].word);
	}
}

static void a_mistake_without_a_report_callback_is_refused_all_the_same(void **state)
{
	struct tdp_host_config config = {.nodes = 65};
	struct tdp_host *host;

	(void)state;
	assert_int_equal(tdp_host_create(&config, &host), -EINVAL);
}

static void strict_overcommit_is_refused_with_its_reason(void **state)
{
	struct test_host test;

	(void)state;
	host_prepare(&test);
	assert_int_equal(window_check(&test.config, 2), -EOPNOTSUPP);
	assert_non_null(strstr(test.report, "vm.overcommit_memory"));
	assert_int_equal(window_check(&test.config, 0), 0);
	assert_int_equal(window_check(&test.config, 1), 0);
}

static void a_race_detector_refuses_more_than_512_gib_and_nobody_else_does(void **state)
{
	struct test_host test;

	(void)state;
	host_prepare(&test);
	test.config.memory_bytes = 513 * GIB;
	test.config.table_bytes = 0;
	if (TSAN) {
		assert_int_equal(tdp_host_create(&test.config, &test.host), -EOPNOTSUPP);
		assert_non_null(strstr(test.report, "ThreadSanitizer"));
		test.config.memory_bytes = 512 * GIB;
	}
	assert_int_equal(tdp_host_create(&test.config, &test.host), 0);
	host_end(&test);
}

static void a_host_of_12_tib_costs_little(void **state)
{
	struct test_host test;

	(void)state;
	if (TSAN)
		skip();
	host_prepare(&test);
	test.config.memory_bytes = 12 * TIB;
	test.config.table_bytes = 0;
	test.config.nodes = 8;
	assert_int_equal(tdp_host_create(&test.config, &test.host), 0);
	assert_true(host_used(&test).metadata_bytes < 256 << 10);
	assert_int_equal(host_used(&test).free_data_frames, 12 * TIB / TDP_PAGE_SIZE);
	host_end(&test);
}

static void a_host_of_64_tib_can_be_mapped_and_its_last_frame_touched(void **state)
{
	struct test_host test;
	uint64_t *last;

	(void)state;
	if (TSAN)
		skip();
	host_prepare(&test);
	test.config.memory_bytes = 64 * TIB;
	test.config.table_bytes = 0;
	assert_int_equal(tdp_host_create(&test.config, &test.host), 0);
	last = tdp_host_frame(test.host, tdp_pfn(test.host->frames - 1));
	assert_int_equal(*last, 0);
	*last = 1;
	assert_int_equal(frame_of(test.host, last).n, test.host->frames - 1);
	host_end(&test);
}

static void a_frame_has_memory_exactly_where_the_host_has_frames(void **state)
{
	struct tdp_host *host;
	struct test_host test;

	(void)state;
	host_begin(&test);
	host = test.host;
	assert_ptr_equal(tdp_host_frame(host, tdp_pfn(0)), host->window);
	assert_non_null(tdp_host_frame(host, tdp_pfn(4 * MIB / TDP_PAGE_SIZE - 1)));
	/* Data begins at 1 GiB, so that pages of that size can lie in it. */
	assert_null(tdp_host_frame(host, tdp_pfn(4 * MIB / TDP_PAGE_SIZE)));
	assert_null(tdp_host_frame(host, tdp_pfn(GIB / TDP_PAGE_SIZE - 1)));
	assert_ptr_equal(tdp_host_frame(host, tdp_pfn(GIB / TDP_PAGE_SIZE)), host->window + GIB);
	assert_non_null(tdp_host_frame(host, tdp_pfn(2 * GIB / TDP_PAGE_SIZE - 1)));
	assert_null(tdp_host_frame(host, tdp_pfn(2 * GIB / TDP_PAGE_SIZE)));
	assert_null(tdp_host_frame(host, tdp_pfn(UINT64_MAX)));
	host_end(&test);
}

static void the_carve_out_is_never_handed_out(void **state)
{
	struct host_caller *caller;
	struct test_host test;
	tdp_pfn_t first, got;

	(void)state;
	host_prepare(&test);
	test.config.memory_bytes = 3 * GIB;
	test.config.carveout_bytes = 2 * GIB;
	assert_int_equal(tdp_host_create(&test.config, &test.host), 0);
	first = tdp_host_carveout(test.host);
	assert_non_null(tdp_host_frame(test.host, first));
	assert_int_equal(host_used(&test).free_data_frames, GIB / TDP_PAGE_SIZE);

	caller = host_caller_get(test.host);
	assert_int_equal(frame_alloc_data(caller, -1, TDP_1G, &got), 0);
	assert_int_equal(got.n, first.n + 2 * GIB / TDP_PAGE_SIZE);
	assert_int_equal(frame_alloc_data(caller, -1, TDP_4K, &first), -ENOMEM);
	frame_free_data(test.host, got, TDP_1G);
	host_caller_put(caller);
	host_end(&test);
}

static void a_host_may_be_all_carve_out(void **state)
{
	struct host_caller *caller;
	struct test_host test;
	tdp_pfn_t pfn;

	(void)state;
	host_prepare(&test);
	test.config.carveout_bytes = GIB;
	assert_int_equal(tdp_host_create(&test.config, &test.host), 0);
	caller = host_caller_get(test.host);
	assert_int_equal(host_used(&test).free_data_frames, 0);
	assert_int_equal(frame_alloc_data(caller, -1, TDP_4K, &pfn), -ENOMEM);
	host_caller_put(caller);
	host_end(&test);
}

static void a_creation_that_fails_at_any_allocation_leaves_nothing(void **state)
{
	struct test_host test;
	uint64_t failures;

	(void)state;
	for (failures = 0;; failures++) {
		host_prepare(&test);
		test.config.nodes = 2;
		test.config.memory_bytes = 2 * GIB;
		test.config.hugetlb_2m = 3; /* leaves units that are broken from the start */
		host_fail_after(&test, failures + 1);
		if (tdp_host_create(&test.config, &test.host) == 0)
			break;
		assert_true(host_failed(&test));
		assert_int_equal(u64_load_relaxed(&test.bytes), 0);
		assert_non_null(strstr(test.report, "2 GiB"));
		assert_null(test.host);
	}
	assert_true(failures > 8);
	host_fail_after(&test, 0);
	host_end(&test);
}

static void usage_tells_what_was_asked_of_the_allocator(void **state)
{
	struct test_host test;
	void *memory;

	(void)state;
	host_begin(&test);
	assert_int_equal(host_used(&test).metadata_bytes, u64_load_relaxed(&test.bytes));
	memory = host_allocate_aligned(test.host, 64, 4096);
	assert_int_equal((uintptr_t)memory % 64, 0);
	assert_int_equal(host_used(&test).metadata_bytes, u64_load_relaxed(&test.bytes));
	host_release(test.host, memory, 4096);
	host_release(test.host, NULL, 4096);
	assert_int_equal(host_used(&test).metadata_bytes, u64_load_relaxed(&test.bytes));
	host_end(&test);
}

static void metadata_is_zeroed_whatever_its_alignment(void **state)
{
	static const char zeroes[4096];
	struct tdp_host *host;
	void *memory;

	(void)state;
	assert_int_equal(tdp_host_create(NULL, &host), 0);
	for (size_t alignment = 8; alignment <= 4096; alignment *= 2) {
		memory = host_allocate_aligned(host, alignment, 4096);
		assert_int_equal((uintptr_t)memory % alignment, 0);
		assert_memory_equal(memory, zeroes, 4096);
		memset(memory, 1, 4096);
		host_release(host, memory, 4096);
	}
	tdp_host_destroy(host);
}

static void a_borrowed_caller_is_lent_again(void **state)
{
	struct host_caller *first, *second;
	struct test_host test;

	(void)state;
	host_begin(&test);
	first = host_caller_get(test.host);
	second = host_caller_get(test.host);
	assert_ptr_not_equal(first, second);
	host_caller_put(first);
	assert_ptr_equal(host_caller_get(test.host), first);
	host_caller_put(first);
	host_caller_put(second);
	host_fail_after(&test, 1);
	assert_ptr_equal(host_caller_get(test.host), second);
	assert_ptr_equal(host_caller_get(test.host), first);
	assert_null(host_caller_get(test.host));
	host_caller_put(first);
	host_caller_put(second);
	host_end(&test);
}

static void two_hosts_do_not_know_of_each_other(void **state)
{
	struct test_host one, two;
	struct host_caller *caller;
	tdp_pfn_t pfn;

	(void)state;
	host_begin(&one);
	host_begin(&two);
	caller = host_caller_get(one.host);
	assert_int_equal(frame_alloc_data(caller, -1, TDP_2M, &pfn), 0);
	assert_int_equal(host_used(&one).data_frames, 512);
	assert_int_equal(host_used(&two).data_frames, 0);
	frame_free_data(one.host, pfn, TDP_2M);
	host_caller_put(caller);
	host_end(&one);
	host_end(&two);
}

static void destroying_no_host_is_allowed(void **state)
{
	(void)state;
	tdp_host_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_config_of_zeroes_is_a_host_of_64_gib),
		cmocka_unit_test(a_wrong_field_is_refused_with_a_sentence_that_names_it),
		cmocka_unit_test(a_mistake_without_a_report_callback_is_refused_all_the_same),
		cmocka_unit_test(strict_overcommit_is_refused_with_its_reason),
		cmocka_unit_test(a_race_detector_refuses_more_than_512_gib_and_nobody_else_does),
		cmocka_unit_test(a_host_of_12_tib_costs_little),
		cmocka_unit_test(a_host_of_64_tib_can_be_mapped_and_its_last_frame_touched),
		cmocka_unit_test(a_frame_has_memory_exactly_where_the_host_has_frames),
		cmocka_unit_test(the_carve_out_is_never_handed_out),
		cmocka_unit_test(a_host_may_be_all_carve_out),
		cmocka_unit_test(a_creation_that_fails_at_any_allocation_leaves_nothing),
		cmocka_unit_test(usage_tells_what_was_asked_of_the_allocator),
		cmocka_unit_test(metadata_is_zeroed_whatever_its_alignment),
		cmocka_unit_test(a_borrowed_caller_is_lent_again),
		cmocka_unit_test(two_hosts_do_not_know_of_each_other),
		cmocka_unit_test(destroying_no_host_is_allowed),
	};

	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
