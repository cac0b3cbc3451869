/*
 * Frames: alignment, exhaustion and recovery, tables apart from data, nodes and
 * pools. What several actors do at once is in test_frame_owners.c.
 */
#include "host/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "host/folio.h"
#include "host/hugetlb.h"
#include "support/aborts.h"
#include "support/hosts.h"

#define FRAMES_2M 512
#define FRAMES_1G ((uint64_t)512 * 512)
#define TABLES	  (4 * MIB / TDP_PAGE_SIZE)

/* A host and a caller of it. */
struct frames {
	struct test_host test;
	struct tdp_host *host;
	struct host_caller *caller;
};

static void begin(struct frames *frames)
{
	assert_int_equal(tdp_host_create(&frames->test.config, &frames->test.host), 0);
	frames->host = frames->test.host;
	frames->caller = host_caller_get(frames->host);
}

static void begin_default(struct frames *frames)
{
	host_prepare(&frames->test);
	begin(frames);
}

static void end(struct frames *frames)
{
	host_caller_put(frames->caller);
	host_end(&frames->test);
}

static tdp_pfn_t take(struct frames *frames, unsigned int level)
{
	tdp_pfn_t pfn;

	assert_int_equal(frame_alloc_data(frames->caller, -1, level, &pfn), 0);
	return pfn;
}

static tdp_pfn_t take_table(struct frames *frames)
{
	tdp_pfn_t pfn;

	assert_int_equal(frame_alloc_table(frames->caller, &pfn), 0);
	return pfn;
}

static bool data_refused(struct frames *frames, unsigned int level)
{
	tdp_pfn_t pfn;

	return frame_alloc_data(frames->caller, -1, level, &pfn) == -ENOMEM;
}

static void blocks_are_aligned_to_their_size(void **state)
{
	struct frames frames;
	tdp_pfn_t small[3], middle[3];

	(void)state;
	host_prepare(&frames.test);
	frames.test.config.memory_bytes = 3 * GIB;
	begin(&frames);
	for (int i = 0; i < 3; i++) {
		small[i] = take(&frames, TDP_4K);
		middle[i] = take(&frames, TDP_2M);
		assert_int_equal(middle[i].n % FRAMES_2M, 0);
	}
	for (int i = 0; i < 2; i++) {
		tdp_pfn_t large = take(&frames, TDP_1G);

		assert_int_equal(large.n % FRAMES_1G, 0);
		frame_free_data(frames.host, large, TDP_1G);
	}
	for (int i = 0; i < 3; i++) {
		frame_free_data(frames.host, small[i], TDP_4K);
		frame_free_data(frames.host, middle[i], TDP_2M);
	}
	end(&frames);
}

static void small_frames_fill_one_block_before_they_break_the_next(void **state)
{
	tdp_pfn_t pfns[FRAMES_2M + 1];
	struct frames frames;

	(void)state;
	begin_default(&frames);
	for (int i = 0; i <= FRAMES_2M; i++)
		pfns[i] = take(&frames, TDP_4K);
	for (int i = 1; i < FRAMES_2M; i++)
		assert_int_equal(pfns[i].n, pfns[0].n + (uint64_t)i);
	assert_int_not_equal(pfns[FRAMES_2M].n / FRAMES_2M, pfns[0].n / FRAMES_2M);
	for (int i = 0; i <= FRAMES_2M; i++)
		frame_free_data(frames.host, pfns[i], TDP_4K);
	end(&frames);
}

static void data_runs_out_at_every_size_and_comes_back(void **state)
{
	tdp_pfn_t blocks[512], small[FRAMES_2M];
	struct frames frames;

	(void)state;
	begin_default(&frames);
	for (int i = 0; i < 512; i++)
		blocks[i] = take(&frames, TDP_2M);
	for (unsigned int level = TDP_4K; level <= TDP_1G; level++)
		assert_true(data_refused(&frames, level));
	assert_int_equal(host_used(&frames.test).free_data_frames, 0);

	frame_free_data(frames.host, blocks[77], TDP_2M);
	for (int i = 0; i < FRAMES_2M; i++) {
		small[i] = take(&frames, TDP_4K);
		assert_int_equal(small[i].n / FRAMES_2M, blocks[77].n / FRAMES_2M);
	}
	assert_true(data_refused(&frames, TDP_4K));
	for (int i = 0; i < FRAMES_2M; i++)
		frame_free_data(frames.host, small[i], TDP_4K);
	assert_int_equal(take(&frames, TDP_2M).n, blocks[77].n);
	for (int i = 0; i < 512; i++)
		frame_free_data(frames.host, blocks[i], TDP_2M);
	frame_free_data(frames.host, take(&frames, TDP_1G), TDP_1G);
	end(&frames);
}

static void a_block_is_whole_again_when_its_last_frame_comes_back(void **state)
{
	struct frames frames;
	uint64_t metadata;
	tdp_pfn_t pfn;

	(void)state;
	begin_default(&frames);
	metadata = host_used(&frames.test).metadata_bytes;
	pfn = take(&frames, TDP_4K);
	assert_true(data_refused(&frames, TDP_1G));
	assert_true(host_used(&frames.test).metadata_bytes > metadata);
	frame_free_data(frames.host, pfn, TDP_4K);
	assert_int_equal(host_used(&frames.test).metadata_bytes, metadata);
	pfn = take(&frames, TDP_1G);
	assert_int_equal(host_used(&frames.test).data_frames, FRAMES_1G);
	frame_free_data(frames.host, pfn, TDP_1G);
	end(&frames);
}

static void tables_fill_blocks_of_their_own(void **state)
{
	struct frames frames;
	tdp_pfn_t tables[400], data[400];

	(void)state;
	begin_default(&frames);
	for (int i = 0; i < 400; i++) {
		tables[i] = take_table(&frames);
		data[i] = take(&frames, TDP_4K);
	}
	for (int i = 0; i < 400; i++) {
		assert_true(frame_is_table(frames.host, tables[i]));
		assert_false(frame_is_table(frames.host, data[i]));
		assert_int_equal(tables[i].n / FRAMES_2M, tables[0].n / FRAMES_2M);
		assert_int_equal(data[i].n / FRAMES_2M, data[0].n / FRAMES_2M);
	}
	assert_int_equal(host_used(&frames.test).table_frames, 400);
	for (int i = 0; i < 400; i++) {
		frame_free_table(frames.host, frames.caller, tables[i]);
		frame_free_data(frames.host, data[i], TDP_4K);
	}
	end(&frames);
}

static void every_table_frame_but_the_first_can_be_had_once(void **state)
{
	bool seen[TABLES] = {false};
	tdp_pfn_t pfns[TABLES], pfn;
	struct frames frames;

	(void)state;
	begin_default(&frames);
	for (unsigned int i = 1; i < TABLES; i++) {
		pfns[i] = take_table(&frames);
		assert_in_range(pfns[i].n, 1, TABLES - 1);
		assert_false(seen[pfns[i].n]);
		seen[pfns[i].n] = true;
	}
	assert_int_equal(frame_alloc_table(frames.caller, &pfn), -ENOMEM);
	assert_int_equal(host_used(&frames.test).free_table_frames, 0);
	frame_free_table(frames.host, NULL, pfns[5]);
	assert_int_equal(take_table(&frames).n, pfns[5].n);
	/* Half of them by a caller, half by a callback that has none. */
	for (unsigned int i = 1; i < TABLES; i++)
		frame_free_table(frames.host, i % 2 ? frames.caller : NULL, pfns[i]);
	assert_int_equal(host_used(&frames.test).free_table_frames, TABLES - 1);
	end(&frames);
}

static void give_back_deferred(struct rcu_head *head, void *context)
{
	struct frames *frames = context;

	(void)head;
	frame_free_table(frames->host, NULL, tdp_pfn(7));
}

static void a_table_frame_that_only_waits_to_be_freed_is_found(void **state)
{
	struct rcu_head head;
	struct frames frames;

	(void)state;
	begin_default(&frames);
	frames.host->rcu.context = &frames;
	for (unsigned int i = 1; i < TABLES; i++)
		take_table(&frames);
	rcu_defer(&frames.host->rcu, &head, give_back_deferred);
	assert_int_equal(take_table(&frames).n, 7);
	for (unsigned int i = 1; i < TABLES; i++)
		frame_free_table(frames.host, NULL, tdp_pfn(i));
	end(&frames);
}

static void frames_in_a_cache_count_as_free(void **state)
{
	struct frames frames;
	tdp_pfn_t pfn;

	(void)state;
	begin_default(&frames);
	pfn = take_table(&frames);
	assert_true(u32_load_relaxed(&frames.caller->frames.count) > 0);
	assert_int_equal(host_used(&frames.test).table_frames, 1);
	assert_int_equal(host_used(&frames.test).free_table_frames, TABLES - 2);
	frame_free_table(frames.host, frames.caller, pfn);
	assert_int_equal(host_used(&frames.test).table_frames, 0);
	frame_cache_drain(frames.caller);
	assert_int_equal(u32_load_relaxed(&frames.caller->frames.count), 0);
	assert_int_equal(host_used(&frames.test).free_table_frames, TABLES - 1);
	end(&frames);
}

static void what_a_caller_had_at_hand_is_free_after_its_end(void **state)
{
	struct host_caller caller;
	struct frames frames;
	tdp_pfn_t pfn;

	(void)state;
	begin_default(&frames);
	host_caller_init(&caller, frames.host);
	assert_int_equal(frame_alloc_table(&caller, &pfn), 0);
	host_caller_fini(&caller);
	assert_int_equal(host_used(&frames.test).table_frames, 1);
	frame_free_table(frames.host, frames.caller, pfn);
	end(&frames);
}

static void a_record_is_zero_when_first_seen_and_belongs_to_its_frame(void **state)
{
	static const char zeroes[FRAME_RECORD_BYTES];
	struct frames frames;
	tdp_pfn_t first, last = tdp_pfn(TABLES - 1);

	(void)state;
	begin_default(&frames);
	first = take_table(&frames);
	assert_memory_equal(frame_record(frames.host, first), zeroes, FRAME_RECORD_BYTES);
	assert_memory_equal(frame_record(frames.host, last), zeroes, FRAME_RECORD_BYTES);
	*(uint64_t *)frame_record(frames.host, last) = 1;
	assert_int_equal(*(uint64_t *)frame_record(frames.host, first), 0);
	frame_free_table(frames.host, frames.caller, first);
	end(&frames);
}

static void a_freed_table_is_poisoned_if_the_host_checks_and_only_then(void **state)
{
	struct frames frames;
	uint64_t *words;
	tdp_pfn_t pfn;

	(void)state;
	for (int check = 0; check <= 1; check++) {
		host_prepare(&frames.test);
		frames.test.config.check = check;
		begin(&frames);
		pfn = take_table(&frames);
		words = frame_address(frames.host, pfn);
		for (int i = 0; i < 512; i++)
			words[i] = 1;
		frame_free_table(frames.host, frames.caller, pfn);
		for (int i = 0; i < 512; i++)
			assert_true(words[i] == (check ? FRAME_POISON : 1));
		end(&frames);
	}
}

static void table_twice_into_a_cache(void *arg)
{
	struct frames *frames = arg;
	tdp_pfn_t pfn = take_table(frames);

	frame_free_table(frames->host, frames->caller, pfn);
	frame_free_table(frames->host, frames->caller, pfn);
}

static void table_never_taken(void *arg)
{
	struct frames *frames = arg;

	frame_free_table(frames->host, NULL, tdp_pfn(TABLES - 1));
}

static void table_that_is_data(void *arg)
{
	struct frames *frames = arg;

	frame_free_table(frames->host, NULL, take(frames, TDP_4K));
}

static void frame_zero(void *arg)
{
	struct frames *frames = arg;

	frame_free_table(frames->host, NULL, tdp_pfn(0));
}

static void small_twice(void *arg)
{
	struct frames *frames = arg;
	tdp_pfn_t pfn = take(frames, TDP_4K);

	take(frames, TDP_4K); /* so that the block stays broken */
	frame_free_data(frames->host, pfn, TDP_4K);
	frame_free_data(frames->host, pfn, TDP_4K);
}

static void middle_twice(void *arg)
{
	struct frames *frames = arg;
	tdp_pfn_t pfn = take(frames, TDP_2M);

	take(frames, TDP_2M);
	frame_free_data(frames->host, pfn, TDP_2M);
	frame_free_data(frames->host, pfn, TDP_2M);
}

static void large_twice(void *arg)
{
	struct frames *frames = arg;
	tdp_pfn_t pfn = take(frames, TDP_1G);

	frame_free_data(frames->host, pfn, TDP_1G);
	frame_free_data(frames->host, pfn, TDP_1G);
}

static void block_that_is_in_use_by_frames(void *arg)
{
	struct frames *frames = arg;

	frame_free_data(frames->host, take(frames, TDP_4K), TDP_2M);
}

static void frame_of_a_whole_block(void *arg)
{
	struct frames *frames = arg;

	frame_free_data(frames->host, take(frames, TDP_2M), TDP_4K);
}

static void block_off_its_boundary(void *arg)
{
	struct frames *frames = arg;

	frame_free_data(frames->host, tdp_pfn(take(frames, TDP_2M).n + 1), TDP_2M);
}

static void data_outside_of_the_host(void *arg)
{
	struct frames *frames = arg;

	frame_free_data(frames->host, tdp_pfn(frames->host->frames), TDP_4K);
}

static void returning_what_is_not_out_stops_the_program(void **state)
{
	static void (*const mistakes[])(void *arg) = {
		table_twice_into_a_cache,
		table_never_taken,
		table_that_is_data,
		frame_zero,
		small_twice,
		middle_twice,
		large_twice,
		block_that_is_in_use_by_frames,
		frame_of_a_whole_block,
		block_off_its_boundary,
		data_outside_of_the_host,
	};
	struct frames frames;

	(void)state;
	begin_default(&frames);
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		if (!aborts(mistakes[i], &frames))
			fail_msg("mistake %zu went unnoticed", i);
	}
	end(&frames);
}

static void an_allocation_that_fails_anywhere_changes_nothing(void **state)
{
	struct frames frames;
	uint64_t failures;
	tdp_pfn_t pfn;
	int err;

	(void)state;
	for (unsigned int level = TDP_4K; level <= TDP_1G; level++) {
		begin_default(&frames);
		for (failures = 0;; failures++) {
			host_fail_after(&frames.test, failures + 1);
			err = frame_alloc_data(frames.caller, -1, level, &pfn);
			if (!err)
				break;
			assert_int_equal(err, -ENOMEM);
			assert_int_equal(host_used(&frames.test).data_frames, 0);
		}
		/* The frame itself, then a record for each level that is broken; and the
		   array of a unit's blocks. */
		assert_int_equal(failures, level == TDP_4K ? 4 : level == TDP_2M ? 2 : 1);
		host_fail_after(&frames.test, 0);
		frame_free_data(frames.host, pfn, level);
		end(&frames);
	}
}

static void a_table_is_refused_when_the_hook_says_so(void **state)
{
	struct frames frames;
	tdp_pfn_t pfn;

	(void)state;
	begin_default(&frames);
	frame_free_table(frames.host, frames.caller, take_table(&frames)); /* fills the cache */
	host_fail_after(&frames.test, 1);
	assert_int_equal(frame_alloc_table(frames.caller, &pfn), -ENOMEM);
	frame_free_table(frames.host, frames.caller, take_table(&frames));
	end(&frames);
}

static unsigned int node_of(const struct frames *frames, tdp_pfn_t pfn)
{
	return (unsigned int)((pfn.n - frames->host->data_first) / FRAMES_1G / 2);
}

static void memory_comes_from_the_node_asked_for_and_then_from_others(void **state)
{
	struct frames frames;
	tdp_pfn_t pfns[8];

	(void)state;
	host_prepare(&frames.test);
	frames.test.config.memory_bytes = 8 * GIB;
	frames.test.config.nodes = 4;
	frames.test.config.table_bytes = 8 * MIB;
	begin(&frames);
	for (int i = 0; i < 8; i++)
		assert_int_equal(frame_alloc_data(frames.caller, 2, TDP_1G, &pfns[i]), 0);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(node_of(&frames, pfns[i]), (2 + i / 2) % 4);
	assert_true(data_refused(&frames, TDP_4K));
	frame_free_data(frames.host, pfns[4], TDP_1G);
	frame_free_data(frames.host, pfns[1], TDP_1G);
	assert_int_equal(frame_alloc_data(frames.caller, 2, TDP_1G, &pfns[1]), 0);
	assert_int_equal(node_of(&frames, pfns[1]), 2);
	frames.caller->node = 0;
	pfns[4] = take(&frames, TDP_1G);
	assert_int_equal(node_of(&frames, pfns[4]), 0);
	for (int i = 0; i < 8; i++)
		frame_free_data(frames.host, pfns[i], TDP_1G);
	end(&frames);
}

static void a_callers_tables_are_of_its_node_while_that_has_any(void **state)
{
	tdp_pfn_t pfns[600];
	struct frames frames;

	(void)state;
	host_prepare(&frames.test);
	frames.test.config.memory_bytes = 3 * GIB;
	frames.test.config.nodes = 3;
	frames.test.config.table_bytes = 6 * MIB; /* one block of 512 each */
	begin(&frames);
	frames.caller->node = 1;
	for (int i = 0; i < 600; i++)
		pfns[i] = take_table(&frames);
	for (int i = 0; i < 600; i++)
		assert_int_equal(pfns[i].n / FRAMES_2M, i < 512 ? 1 : 2);
	for (int i = 0; i < 600; i++)
		frame_free_table(frames.host, frames.caller, pfns[i]);
	/* A frame of another node does not stay in the caller's cache. */
	for (unsigned int i = 0; i < u32_load_relaxed(&frames.caller->frames.count); i++)
		assert_int_equal(frames.caller->frames.tables[i].n / FRAMES_2M, 1);
	end(&frames);
}

static void pages_set_aside_go_only_to_who_has_reserved_them(void **state)
{
	struct frames frames;
	tdp_pfn_t pfn;

	(void)state;
	host_prepare(&frames.test);
	frames.test.config.memory_bytes = 2 * GIB;
	frames.test.config.hugetlb_1g = 1;
	frames.test.config.hugetlb_2m = 512;
	begin(&frames);
	assert_true(data_refused(&frames, TDP_4K));
	assert_int_equal(host_used(&frames.test).free_data_frames, 2 * FRAMES_1G);
	assert_int_equal(hugetlb_reserve(frames.host, TDP_1G, 2), -ENOMEM);
	assert_int_equal(hugetlb_reserve(frames.host, TDP_1G, 1), 0);
	assert_int_equal(folio_alloc(frames.caller, -1, TDP_1G, FOLIO_RESERVED, &pfn), 0);
	assert_int_equal(pfn.n % FRAMES_1G, 0);
	folio_free(frames.host, pfn, TDP_1G);
	hugetlb_unreserve(frames.host, TDP_1G, 1);

	assert_int_equal(hugetlb_reserve(frames.host, TDP_2M, 512), 0);
	assert_int_equal(hugetlb_reserve(frames.host, TDP_2M, 1), -ENOMEM);
	for (int i = 0; i < 512; i++) {
		assert_int_equal(folio_alloc(frames.caller, -1, TDP_2M, FOLIO_RESERVED, &pfn), 0);
		assert_int_equal(pfn.n % FRAMES_2M, 0);
	}
	for (int i = 511; i >= 0; i--)
		folio_free(frames.host, tdp_pfn(pfn.n - (uint64_t)i * FRAMES_2M), TDP_2M);
	hugetlb_unreserve(frames.host, TDP_2M, 512);
	end(&frames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_aligned_to_their_size),
		cmocka_unit_test(small_frames_fill_one_block_before_they_break_the_next),
		cmocka_unit_test(data_runs_out_at_every_size_and_comes_back),
		cmocka_unit_test(a_block_is_whole_again_when_its_last_frame_comes_back),
		cmocka_unit_test(tables_fill_blocks_of_their_own),
		cmocka_unit_test(every_table_frame_but_the_first_can_be_had_once),
		cmocka_unit_test(a_table_frame_that_only_waits_to_be_freed_is_found),
		cmocka_unit_test(frames_in_a_cache_count_as_free),
		cmocka_unit_test(what_a_caller_had_at_hand_is_free_after_its_end),
		cmocka_unit_test(a_record_is_zero_when_first_seen_and_belongs_to_its_frame),
		cmocka_unit_test(a_freed_table_is_poisoned_if_the_host_checks_and_only_then),
		cmocka_unit_test(returning_what_is_not_out_stops_the_program),
		cmocka_unit_test(an_allocation_that_fails_anywhere_changes_nothing),
		cmocka_unit_test(a_table_is_refused_when_the_hook_says_so),
		cmocka_unit_test(memory_comes_from_the_node_asked_for_and_then_from_others),
		cmocka_unit_test(a_callers_tables_are_of_its_node_while_that_has_any),
		cmocka_unit_test(pages_set_aside_go_only_to_who_has_reserved_them),
	};

	return cmocka_run_group_tests_name("host/frame", tests, NULL, NULL);
}
