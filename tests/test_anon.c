/*
 * Anonymous memory: which frame a page gets, when memory is taken and given
 * back. What several actors do at once is in test_anon_actors.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "guest/anon.h"
#include "host/notify.h"
#include "support/memory.h"

#define FRAMES_2M 512
#define FRAMES_1G ((uint64_t)512 * 512)

static unsigned int level(const struct memory *memory, uint64_t offset)
{
	return memory->backing->ops->level(memory->backing->context, memory->backing->hva + offset);
}

static void a_page_keeps_its_frame_and_neighbours_lie_side_by_side(void **state)
{
	struct memory memory;
	tdp_pfn_t first;

	(void)state;
	memory_begin(&memory, (struct tdp_anon_config){.bytes = 4 * MIB});
	first = memory_touch(&memory, 0);
	assert_int_equal(first.n % FRAMES_2M, 0);
	for (uint64_t i = 0; i < FRAMES_2M; i += 7)
		assert_int_equal(memory_touch(&memory, i * TDP_PAGE_SIZE).n, first.n + i);
	assert_int_equal(memory_touch(&memory, 0xfff).n, first.n);
	assert_int_not_equal(memory_touch(&memory, 2 * MIB).n, first.n);
	memory_end(&memory);
}

static void extents_take_2m_at_a_time_and_count_each_page_touched(void **state)
{
	struct memory memory;

	(void)state;
	memory_begin(&memory, (struct tdp_anon_config){.bytes = 64 * MIB});
	assert_int_equal(memory_data_frames(&memory), 0);
	memory_touch(&memory, 0);
	memory_touch(&memory, 0x1000);
	memory_touch(&memory, 0x1000);
	assert_int_equal(memory_data_frames(&memory), FRAMES_2M);
	assert_int_equal(tdp_anon_touched(memory.anon), 2);
	memory_touch(&memory, 64 * MIB - TDP_PAGE_SIZE);
	assert_int_equal(memory_data_frames(&memory), 2 * FRAMES_2M);
	assert_int_equal(tdp_anon_touched(memory.anon), 3);
	memory_end(&memory);
}

static void page_by_page_takes_one_frame_for_each(void **state)
{
	struct memory memory;

	(void)state;
	memory_begin(&memory,
		     (struct tdp_anon_config){.bytes = 64 * MIB, .policy = TDP_ANON_PAGES});
	for (uint64_t i = 0; i < 100; i++) {
		memory_touch(&memory, i * 16 * TDP_PAGE_SIZE);
		memory_touch(&memory, i * 16 * TDP_PAGE_SIZE);
		assert_int_equal(memory_data_frames(&memory), i + 1);
		assert_int_equal(tdp_anon_touched(memory.anon), i + 1);
	}
	assert_int_equal(tdp_anon_discard(memory.anon, 0, 16 * TDP_PAGE_SIZE), 0);
	assert_int_equal(memory_data_frames(&memory), 99);
	memory_end(&memory);
}

static void huge_pages_are_taken_whole_and_mapped_so(void **state)
{
	static const uint64_t pages[] = {FRAMES_2M, FRAMES_1G};
	struct memory memory;
	tdp_pfn_t first;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		memory_begin(&memory, (struct tdp_anon_config){.bytes = GIB, .page = TDP_2M + i});
		assert_int_equal(level(&memory, 0), 1);
		first = memory_touch(&memory, 5 * TDP_PAGE_SIZE);
		assert_int_equal(first.n % pages[i], 5);
		assert_int_equal(memory_touch(&memory, 0).n, first.n - 5);
		assert_int_equal(memory_touch(&memory, pages[i] * TDP_PAGE_SIZE - 1).n,
				 first.n - 6 + pages[i]);
		assert_int_equal(level(&memory, 77 * TDP_PAGE_SIZE), TDP_2M + i);
		assert_int_equal(memory_data_frames(&memory), pages[i]);
		assert_int_equal(tdp_anon_touched(memory.anon), 1);
		assert_int_equal(tdp_anon_discard(memory.anon, 0, pages[i] * TDP_PAGE_SIZE), 0);
		assert_int_equal(level(&memory, 0), 1);
		memory_end(&memory);
	}
}

static void small_pages_are_mapped_small_whatever_lies_under_them(void **state)
{
	struct memory memory;

	(void)state;
	memory_begin(&memory, (struct tdp_anon_config){.bytes = 2 * MIB, .page = TDP_4K});
	memory_touch(&memory, 0);
	assert_int_equal(level(&memory, 0), 1);
	assert_int_equal(level(&memory, 2 * MIB), 1);
	memory_end(&memory);
}

static void memory_outside_of_the_mapping_is_a_fault(void **state)
{
	struct tdp_backing_page page;
	struct memory memory;

	(void)state;
	memory_begin(&memory, (struct tdp_anon_config){.bytes = 12 * TDP_PAGE_SIZE});
	assert_int_equal(memory_resolve(&memory, 12 * TDP_PAGE_SIZE, false, &page), -EFAULT);
	assert_int_equal(memory_resolve(&memory, (uint64_t)-1, false, &page), -EFAULT);
	memory_touch(&memory, 11 * TDP_PAGE_SIZE);
	memory_end(&memory);
}

static void read_only_memory_refuses_writes_and_says_so_to_readers(void **state)
{
	struct tdp_backing_page page = {.writable = true};
	struct memory memory;

	(void)state;
	memory_begin(&memory, (struct tdp_anon_config){.bytes = 2 * MIB, .read_only = true});
	assert_int_equal(memory_resolve(&memory, 0, true, &page), -EFAULT);
	assert_int_equal(tdp_anon_touched(memory.anon), 0);
	assert_int_equal(memory_resolve(&memory, 0, false, &page), 0);
	assert_false(page.writable);
	assert_int_equal(tdp_anon_touched(memory.anon), 1);
	memory_end(&memory);
}

static void two_mappings_share_no_address(void **state)
{
	struct memory memory;
	struct tdp_anon *other;

	(void)state;
	memory_begin(&memory, (struct tdp_anon_config){.bytes = 3 * TDP_PAGE_SIZE});
	assert_int_equal(tdp_anon_create(memory.test.host,
					 &(struct tdp_anon_config){.bytes = 2 * GIB}, &other),
			 0);
	assert_int_equal(memory.backing->hva % GIB, 0);
	assert_int_equal(tdp_anon_backing(other)->hva % GIB, 0);
	assert_true(tdp_anon_backing(other)->hva >= memory.backing->hva + 3 * TDP_PAGE_SIZE);
	assert_int_equal(tdp_anon_backing(other)->bytes, 2 * GIB);
	tdp_anon_destroy(other);
	memory_end(&memory);
}

static void a_discarded_page_is_there_again_at_the_next_touch(void **state)
{
	static const enum tdp_level pages[] = {TDP_4K, TDP_2M, TDP_1G};
	struct memory memory;

	(void)state;
	for (int i = 0; i < 3; i++) {
		memory_begin(&memory, (struct tdp_anon_config){.bytes = GIB, .page = pages[i]});
		memory_touch(&memory, 0);
		assert_int_equal(tdp_anon_discard(memory.anon, 0, GIB), 0);
		assert_int_equal(tdp_anon_touched(memory.anon), 0);
		assert_int_equal(memory_data_frames(&memory), 0);
		memory_touch(&memory, 0);
		assert_int_equal(tdp_anon_touched(memory.anon), 1);
		memory_end(&memory);
	}
}

static void an_extent_goes_when_its_last_page_does(void **state)
{
	struct memory memory;
	tdp_pfn_t kept;

	(void)state;
	memory_begin(&memory, (struct tdp_anon_config){.bytes = 8 * MIB});
	for (uint64_t i = 0; i < 4 * FRAMES_2M; i++)
		memory_touch(&memory, i * TDP_PAGE_SIZE);
	kept = memory_touch(&memory, 2 * MIB + 100 * TDP_PAGE_SIZE);
	/* All of the first extent, and of the second all but page 100. */
	assert_int_equal(tdp_anon_discard(memory.anon, 0, 2 * MIB + 100 * TDP_PAGE_SIZE), 0);
	assert_int_equal(tdp_anon_touched(memory.anon), 4 * FRAMES_2M - 612);
	assert_int_equal(memory_data_frames(&memory), 3 * FRAMES_2M);
	assert_int_equal(
		tdp_anon_discard(memory.anon, 2 * MIB + 101 * TDP_PAGE_SIZE, 411 * TDP_PAGE_SIZE),
		0);
	assert_int_equal(tdp_anon_touched(memory.anon), 2 * FRAMES_2M + 1);
	assert_int_equal(memory_data_frames(&memory), 3 * FRAMES_2M);
	assert_int_equal(memory_touch(&memory, 2 * MIB + 100 * TDP_PAGE_SIZE).n, kept.n);
	assert_int_equal(
		tdp_anon_discard(memory.anon, 2 * MIB + 100 * TDP_PAGE_SIZE, TDP_PAGE_SIZE), 0);
	assert_int_equal(memory_data_frames(&memory), 2 * FRAMES_2M);
	memory_end(&memory);
}

struct watcher {
	struct notifier notifier;
	struct memory *memory;
	uint64_t start, end;
	uint64_t frames_at_begin, frames_at_end;
	unsigned int calls;
};

static void watch_begin(void *context, const struct memory_change *change)
{
	struct watcher *watcher = context;

	watcher->start = change->start;
	watcher->end = change->end;
	watcher->frames_at_begin = memory_data_frames(watcher->memory);
	watcher->calls++;
}

static void watch_end(void *context, const struct memory_change *change)
{
	struct watcher *watcher = context;

	if (change->start == watcher->start && change->end == watcher->end)
		watcher->frames_at_end = memory_data_frames(watcher->memory);
	watcher->calls++;
}

static void notifiers_hear_of_a_discard_before_and_after_the_frames_go(void **state)
{
	static const struct notifier_ops ops = {.begin = watch_begin, .end = watch_end};
	struct memory memory;
	struct watcher watcher = {.notifier = {&ops, &watcher, NULL}, .memory = &memory};

	(void)state;
	memory_begin(&memory, (struct tdp_anon_config){.bytes = 4 * MIB});
	memory_touch(&memory, 2 * MIB);
	notifier_subscribe(memory.test.host, &watcher.notifier);
	assert_int_equal(tdp_anon_discard(memory.anon, 2 * MIB, MIB), 0);
	assert_int_equal(watcher.calls, 2);
	assert_int_equal(watcher.start, memory.backing->hva + 2 * MIB);
	assert_int_equal(watcher.end, memory.backing->hva + 3 * MIB);
	assert_int_equal(watcher.frames_at_begin, FRAMES_2M);
	assert_int_equal(watcher.frames_at_end, 0);
	/* Nothing to discard, or a range that is refused: no notifier is called. */
	assert_int_equal(tdp_anon_discard(memory.anon, 4 * MIB, 0), 0);
	assert_int_equal(tdp_anon_discard(memory.anon, 1, TDP_PAGE_SIZE), -EINVAL);
	assert_int_equal(watcher.calls, 2);
	notifier_unsubscribe(memory.test.host, &watcher.notifier);
	memory_end(&memory);
}

static void a_wrong_discard_is_refused_and_changes_nothing(void **state)
{
	static const struct {
		uint64_t offset, bytes;
		const char *word;
	} mistakes[] = {
		{TDP_PAGE_SIZE, 2 * MIB, "offset"},
		{0, TDP_PAGE_SIZE, "bytes"},
		{4 * MIB, 2 * MIB, "outside"},
		{2 * MIB, 4 * MIB, "outside"},
		{2 * MIB, UINT64_MAX & ~(2 * MIB - 1), "outside"},
	};
	struct memory memory;

	(void)state;
	memory_begin(&memory, (struct tdp_anon_config){.bytes = 4 * MIB, .page = TDP_2M});
	memory_touch(&memory, 0);
	memory_touch(&memory, 2 * MIB);
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		assert_int_equal(
			tdp_anon_discard(memory.anon, mistakes[i].offset, mistakes[i].bytes),
			-EINVAL);
		assert_non_null(strstr(memory.test.report, mistakes[i].word));
	}
	assert_int_equal(tdp_anon_touched(memory.anon), 2);
	memory_end(&memory);
}

static void a_wrong_config_is_refused_with_a_sentence_that_names_the_field(void **state)
{
	static const struct {
		struct tdp_anon_config config;
		const char *word;
	} mistakes[] = {
		{{.size = 1, .bytes = MIB}, "size"},
		{{.bytes = 0}, "bytes"},
		{{.bytes = 4097}, "bytes"},
		{{.bytes = MIB, .page = TDP_2M}, "bytes"},
		{{.bytes = UINT64_MAX & ~(GIB - 1), .page = TDP_1G}, "bytes"},
		{{.bytes = MIB, .page = TDP_LEVEL_4}, "page"},
		{{.bytes = MIB, .policy = 2}, "policy"},
		{{.bytes = MIB, .node = 2}, "node"},
		{{.bytes = MIB, .node = -1}, "node"},
	};
	struct tdp_anon *const before = (struct tdp_anon *)&mistakes;
	struct tdp_anon *anon = before;
	struct test_host test;

	(void)state;
	host_begin(&test);
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		assert_int_equal(tdp_anon_create(test.host, &mistakes[i].config, &anon), -EINVAL);
		assert_ptr_equal(anon, before);
		if (!strstr(test.report, mistakes[i].word))
			fail_msg("line %zu: \"%s\" does not name %s", i, test.report,
				 mistakes[i].word);
	}
	host_end(&test);
}

static void memory_runs_out_and_comes_back(void **state)
{
	struct tdp_backing_page page;
	struct memory memory;

	(void)state;
	memory_begin(&memory, (struct tdp_anon_config){.bytes = 2 * GIB, .page = TDP_2M});
	for (uint64_t i = 0; i < 512; i++)
		memory_touch(&memory, i * 2 * MIB);
	assert_int_equal(memory_resolve(&memory, GIB, true, &page), -ENOMEM);
	assert_int_equal(tdp_anon_touched(memory.anon), 512);
	assert_int_equal(level(&memory, GIB), 1);
	assert_int_equal(tdp_anon_discard(memory.anon, 6 * MIB, 2 * MIB), 0);
	memory_touch(&memory, GIB);
	assert_int_equal(memory_resolve(&memory, 6 * MIB, true, &page), -ENOMEM);
	memory_end(&memory);
}

static void reserved_pages_are_there_when_they_are_touched(void **state)
{
	const struct tdp_anon_config all = {.bytes = GIB, .page = TDP_2M};
	struct memory memory;
	struct tdp_anon *other;

	(void)state;
	host_prepare(&memory.test);
	memory.test.config.memory_bytes = 2 * GIB;
	memory.test.config.hugetlb_2m = 600;
	assert_int_equal(tdp_host_create(&memory.test.config, &memory.test.host), 0);
	memory_map(&memory, all);
	assert_int_equal(tdp_anon_create(memory.test.host, &all, &other), -ENOMEM);
	assert_non_null(strstr(memory.test.report, "set aside"));
	for (uint64_t i = 0; i < 512; i++)
		memory_touch(&memory, i * 2 * MIB);
	assert_int_equal(tdp_anon_discard(memory.anon, 0, GIB), 0);
	/* Given back, but still the mapping's own. */
	assert_int_equal(tdp_anon_create(memory.test.host, &all, &other), -ENOMEM);
	tdp_anon_destroy(memory.anon);
	memory_map(&memory, all);
	memory_end(&memory);
}

static void a_mapping_that_fails_at_any_allocation_leaves_nothing(void **state)
{
	struct test_host test;
	struct tdp_anon *anon = NULL;
	uint64_t before, failures;

	(void)state;
	host_prepare(&test);
	test.config.hugetlb_2m = 8;
	assert_int_equal(tdp_host_create(&test.config, &test.host), 0);
	before = host_used(&test).metadata_bytes;
	for (failures = 0;; failures++) {
		host_fail_after(&test, failures + 1);
		if (tdp_anon_create(test.host,
				    &(struct tdp_anon_config){.bytes = 16 * MIB, .page = TDP_2M},
				    &anon) == 0)
			break;
		assert_null(anon);
		assert_non_null(strstr(test.report, "16 MiB"));
		assert_int_equal(host_used(&test).metadata_bytes, before);
	}
	assert_int_equal(failures, 2);
	host_fail_after(&test, 0);
	tdp_anon_destroy(anon);
	host_end(&test);
}

/* Did the touch of a fresh mapping come through although its allocation `count` failed? */
static bool touch_survives(struct tdp_anon_config config, uint64_t count)
{
	struct tdp_backing_page page;
	struct memory memory;
	bool survived;

	memory_begin(&memory, config);
	host_fail_after(&memory.test, count);
	survived = memory_resolve(&memory, 0, true, &page) == 0;
	if (!survived) {
		assert_true(host_failed(&memory.test));
		assert_int_equal(tdp_anon_touched(memory.anon), 0);
		assert_int_equal(memory_data_frames(&memory), 0);
	}
	host_fail_after(&memory.test, 0);
	memory_touch(&memory, 0);
	assert_int_equal(tdp_anon_touched(memory.anon), 1);
	memory_end(&memory);
	return survived;
}

static void a_touch_that_fails_at_any_allocation_can_be_made_again(void **state)
{
	uint64_t count;

	(void)state;
	for (unsigned int page = TDP_4K; page <= TDP_1G; page++) {
		count = 1;
		while (!touch_survives((struct tdp_anon_config){.bytes = GIB, .page = page}, count))
			count++;
		/* Caller, leaf, frame; but for 1G a record of the unit that is broken. */
		assert_int_equal(count - 1, page == TDP_1G ? 3 : 4);
	}
}

/*
 * A discard may take an extent away between a resolver's mark and its second look
 * at the word; the state is made by hand, since the moment cannot be hit.
 */
static void a_touch_that_lost_its_extent_and_then_gets_no_memory_leaves_no_mark(void **state)
{
	struct tdp_backing_page page;
	struct extent *extent;
	struct memory memory;

	(void)state;
	memory_begin(&memory, (struct tdp_anon_config){.bytes = 2 * MIB});
	memory_touch(&memory, 0);
	tdp_anon_discard(memory.anon, 0, TDP_PAGE_SIZE);
	extent = directory_find(&memory.anon->map.records, 0, sizeof(*extent));
	u64_or_acq_rel(&extent->touched[70 / 64], (uint64_t)1 << 70 % 64);
	host_fail_after(&memory.test, 1);
	assert_int_equal(memory_resolve(&memory, 70 * TDP_PAGE_SIZE, true, &page), -ENOMEM);
	assert_int_equal(tdp_anon_touched(memory.anon), 0);
	memory_end(&memory);
}

static void a_mapping_costs_only_where_it_is_touched(void **state)
{
	struct memory memory;
	uint64_t before;

	(void)state;
	host_begin(&memory.test);
	before = host_used(&memory.test).metadata_bytes;
	memory_map(&memory, (struct tdp_anon_config){.bytes = (uint64_t)12 << 40, .page = TDP_1G});
	assert_true(host_used(&memory.test).metadata_bytes - before < 1024);
	tdp_anon_destroy(memory.anon);
	memory_map(&memory, (struct tdp_anon_config){.bytes = (uint64_t)1 << 40, .page = TDP_2M});
	assert_true(host_used(&memory.test).metadata_bytes - before < 16 << 10);
	tdp_anon_destroy(memory.anon);
	memory_map(&memory, (struct tdp_anon_config){.bytes = (uint64_t)1 << 40});
	assert_true(host_used(&memory.test).metadata_bytes - before < 16 << 10);
	memory_end(&memory);
}

static void a_gigabyte_touched_by_4k_costs_less_than_a_sixth_of_a_byte_a_page(void **state)
{
	struct memory memory;
	uint64_t before;

	(void)state;
	host_begin(&memory.test);
	before = host_used(&memory.test).metadata_bytes;
	memory_map(&memory, (struct tdp_anon_config){.bytes = GIB});
	for (uint64_t i = 0; i < FRAMES_1G; i++)
		memory_touch(&memory, i * TDP_PAGE_SIZE);
	assert_int_equal(tdp_anon_touched(memory.anon), FRAMES_1G);
	assert_true(host_used(&memory.test).metadata_bytes - before < FRAMES_1G / 6);
	memory_end(&memory);
}

static void destroying_no_mapping_is_allowed(void **state)
{
	(void)state;
	tdp_anon_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_keeps_its_frame_and_neighbours_lie_side_by_side),
		cmocka_unit_test(extents_take_2m_at_a_time_and_count_each_page_touched),
		cmocka_unit_test(page_by_page_takes_one_frame_for_each),
		cmocka_unit_test(huge_pages_are_taken_whole_and_mapped_so),
		cmocka_unit_test(small_pages_are_mapped_small_whatever_lies_under_them),
		cmocka_unit_test(memory_outside_of_the_mapping_is_a_fault),
		cmocka_unit_test(read_only_memory_refuses_writes_and_says_so_to_readers),
		cmocka_unit_test(two_mappings_share_no_address),
		cmocka_unit_test(a_discarded_page_is_there_again_at_the_next_touch),
		cmocka_unit_test(an_extent_goes_when_its_last_page_does),
		cmocka_unit_test(notifiers_hear_of_a_discard_before_and_after_the_frames_go),
		cmocka_unit_test(a_wrong_discard_is_refused_and_changes_nothing),
		cmocka_unit_test(a_wrong_config_is_refused_with_a_sentence_that_names_the_field),
		cmocka_unit_test(memory_runs_out_and_comes_back),
		cmocka_unit_test(reserved_pages_are_there_when_they_are_touched),
		cmocka_unit_test(a_mapping_that_fails_at_any_allocation_leaves_nothing),
		cmocka_unit_test(a_touch_that_fails_at_any_allocation_can_be_made_again),
		cmocka_unit_test(
			a_touch_that_lost_its_extent_and_then_gets_no_memory_leaves_no_mark),
		cmocka_unit_test(a_mapping_costs_only_where_it_is_touched),
		cmocka_unit_test(a_gigabyte_touched_by_4k_costs_less_than_a_sixth_of_a_byte_a_page),
		cmocka_unit_test(destroying_no_mapping_is_allowed),
	};

	return cmocka_run_group_tests_name("host/anon", tests, NULL, NULL);
}
