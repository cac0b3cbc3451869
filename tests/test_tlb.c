/*
 * The TLB and the paging-structure cache: what a lookup finds, what a flush
 * forgets, and that a walk through the cache comes to what a walk without it does.
 */
#include "paging/tlb.h"
#include "paging/walker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/raw_tables.h"

#define READS  (TDP_RIGHT(TDP_READ, false) | TDP_RIGHT(TDP_READ, true))
#define WRITES (TDP_RIGHT(TDP_WRITE, false) | TDP_RIGHT(TDP_WRITE, true))

struct fixture {
	struct raw *raw;
	struct tlb tlb;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	void *raw;

	if (!fixture || raw_setup(&raw))
		return -1;
	fixture->raw = raw;
	tlb_init(&fixture->tlb);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	void *raw = fixture->raw;

	raw_teardown(&raw);
	free(fixture);
	return 0;
}

static struct tlb *empty_tlb(void **state)
{
	struct fixture *fixture = *state;

	tlb_init(&fixture->tlb);
	return &fixture->tlb;
}

static void insert(struct tlb *tlb, uint64_t page, uint64_t pfn, uint64_t root, unsigned int rights)
{
	struct tlb_entry entry = {
		.page = page,
		.pfn = tdp_pfn(pfn),
		.gfn = tdp_gfn(page + 1000),
		.root = root,
		.level = 1,
		.rights = (uint8_t)rights,
		.dirty = true,
	};

	tlb_insert(tlb, &entry);
}

static bool count_entry(const struct tlb_entry *entry, void *context)
{
	(void)entry;
	(*(unsigned int *)context)++;
	return true;
}

static unsigned int entry_count(const struct tlb *tlb)
{
	unsigned int count = 0;

	tlb_visit(tlb, count_entry, &count);
	return count;
}

/* The TLB */

static void what_was_inserted_is_found_by_each_address_of_its_page(void **state)
{
	struct tlb *tlb = empty_tlb(state);
	const struct tlb_entry *entry;

	insert(tlb, 0x1234, 77, 5, READS);
	entry = tlb_lookup(tlb, 5, 0x1234fff, TDP_READ, true);
	assert_non_null(entry);
	assert_int_equal(entry->pfn.n, 77);
	assert_int_equal(entry->gfn.n, 0x1234 + 1000);
	assert_null(tlb_lookup(tlb, 5, 0x1235000, TDP_READ, true));
	assert_null(tlb_lookup(tlb, 6, 0x1234000, TDP_READ, true));
	assert_int_equal(tlb->hits, 1);
	assert_int_equal(tlb->misses, 2);
}

static void an_empty_tlb_knows_no_page_at_all(void **state)
{
	struct tlb *tlb = empty_tlb(state);

	assert_null(tlb_lookup(tlb, 0, 0, TDP_READ, true));
	assert_null(tlb_lookup(tlb, ~0ULL, ~0ULL, TDP_READ, true));
	assert_int_equal(entry_count(tlb), 0);
}

static void each_kind_of_access_needs_its_own_right(void **state)
{
	struct tlb *tlb = empty_tlb(state);

	for (unsigned int right = 0; right < 6; right++) {
		insert(tlb, 9, 1, 5, 1U << right);
		for (unsigned int i = 0; i < 6; i++) {
			enum tdp_access access = (enum tdp_access)(i / 2);
			bool found = tlb_lookup(tlb, 5, 9 << 12, access, i & 1);

			assert_int_equal(found, i == right);
		}
	}
}

static void a_write_through_a_clean_entry_walks_again(void **state)
{
	struct tlb *tlb = empty_tlb(state);
	struct tlb_entry entry = {.page = 3, .root = 5, .rights = TDP_RIGHTS_ALL};

	tlb_insert(tlb, &entry);
	assert_null(tlb_lookup(tlb, 5, 3 << 12, TDP_WRITE, false));
	assert_null(tlb_lookup(tlb, 5, 3 << 12, TDP_WRITE, true));
	assert_non_null(tlb_lookup(tlb, 5, 3 << 12, TDP_READ, true));
	assert_non_null(tlb_lookup(tlb, 5, 3 << 12, TDP_FETCH, false));
	entry.dirty = true;
	tlb_insert(tlb, &entry);
	assert_non_null(tlb_lookup(tlb, 5, 3 << 12, TDP_WRITE, true));
}

static void a_page_has_one_entry_for_a_root(void **state)
{
	struct tlb *tlb = empty_tlb(state);

	insert(tlb, 3, 10, 5, TDP_RIGHTS_ALL);
	insert(tlb, 3, 11, 5, TDP_RIGHTS_ALL);
	insert(tlb, 3, 12, 6, TDP_RIGHTS_ALL);
	assert_int_equal(entry_count(tlb), 2);
	assert_int_equal(tlb_lookup(tlb, 5, 3 << 12, TDP_READ, true)->pfn.n, 11);
	assert_int_equal(tlb_lookup(tlb, 6, 3 << 12, TDP_READ, true)->pfn.n, 12);
}

static void a_full_set_gives_up_one_entry_and_keeps_the_newest(void **state)
{
	struct tlb *tlb = empty_tlb(state);

	for (uint64_t i = 0; i < TLB_WAYS + 3; i++) {
		uint64_t page = 7 + i * TLB_SETS;
		const struct tlb_entry *entry;

		assert_null(tlb_lookup(tlb, 5, page << 12, TDP_READ, true));
		insert(tlb, page, i, 5, READS);
		entry = tlb_lookup(tlb, 5, page << 12, TDP_READ, true);
		assert_non_null(entry);
		assert_int_equal(entry->pfn.n, i);
		assert_int_equal(entry_count(tlb), i < TLB_WAYS ? i + 1 : TLB_WAYS);
	}
}

static void a_flush_forgets_everything_and_counts_nothing_when_empty(void **state)
{
	struct tlb *tlb = empty_tlb(state);
	uint32_t epoch;

	for (uint64_t page = 0; page < TLB_SETS * TLB_WAYS; page++)
		insert(tlb, page, page, 5, READS);
	assert_int_equal(entry_count(tlb), TLB_SETS * TLB_WAYS);
	assert_false(tlb->empty);
	tlb_flush(tlb);
	assert_true(tlb->empty);
	assert_int_equal(entry_count(tlb), 0);
	for (uint64_t page = 0; page < TLB_SETS * TLB_WAYS; page++)
		assert_null(tlb_lookup(tlb, 5, page << 12, TDP_READ, true));
	epoch = tlb->epoch;
	tlb_flush(tlb);
	assert_int_equal(tlb->epoch, epoch);
	insert(tlb, 1, 1, 5, READS);
	assert_non_null(tlb_lookup(tlb, 5, 1 << 12, TDP_READ, true));
	assert_int_equal(entry_count(tlb), 1);
}

static void an_entry_does_not_come_back_when_the_epoch_comes_round(void **state)
{
	struct tlb *tlb = empty_tlb(state);

	insert(tlb, 1, 1, 5, READS); /* of epoch 1 */
	tlb->epoch = UINT32_MAX;
	tlb_flush(tlb);
	assert_int_not_equal(tlb->epoch, 0);
	assert_int_equal(entry_count(tlb), 0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_null(tlb_lookup(tlb, 5, 1 << 12, TDP_READ, true));
		tlb->empty = false;
		tlb_flush(tlb);
	}
}

static bool stop_at_third(const struct tlb_entry *entry, void *context)
{
	(void)entry;
	return ++*(unsigned int *)context < 3;
}

static void a_visit_ends_when_told(void **state)
{
	struct tlb *tlb = empty_tlb(state);
	unsigned int count = 0;

	for (uint64_t page = 0; page < 10; page++)
		insert(tlb, page, page, 5, READS);
	tlb_visit(tlb, stop_at_third, &count);
	assert_int_equal(count, 3);
}

static void a_range_flush_takes_the_entries_whose_leaf_it_meets(void **state)
{
	struct tlb *tlb = empty_tlb(state);
	const struct tlb_entry small = {.page = 0x1200, .gfn = tdp_gfn(0x1200), .root = 1};
	struct tlb_entry entry = small;

	entry.rights = READS;
	entry.level = TDP_4K;
	tlb_insert(tlb, &entry);
	entry.page = 0x1401;
	entry.gfn = tdp_gfn(0x1401);
	entry.level = TDP_2M;
	tlb_insert(tlb, &entry);
	entry.page = 0x7;
	entry.gfn = tdp_gfn(0x9000);
	entry.level = TDP_4K;
	entry.guest_paging = true;
	tlb_insert(tlb, &entry);
	tlb_flush_range(tlb, tdp_gfn(0x1201), tdp_gfn(0x1400));
	assert_non_null(tlb_lookup(tlb, 1, 0x1200000, TDP_READ, true));
	assert_non_null(tlb_lookup(tlb, 1, 0x1401000, TDP_READ, true));
	assert_null(tlb_lookup(tlb, 1, 0x7000, TDP_READ, true)); /* its tables may lie there */
	tlb_flush_range(tlb, tdp_gfn(0x15ff), tdp_gfn(0x1600));	 /* the end of the 2M leaf */
	assert_null(tlb_lookup(tlb, 1, 0x1401000, TDP_READ, true));
	tlb_flush_range(tlb, tdp_gfn(0x1200), tdp_gfn(0x1201));
	assert_null(tlb_lookup(tlb, 1, 0x1200000, TDP_READ, true));
}

static void a_range_flush_takes_cached_tables_that_span_part_of_it(void **state)
{
	struct tlb *tlb = empty_tlb(state);
	struct walk_cache *cache = &tlb->structures;

	walk_cache_put(cache, 1, 0x1200, 1, 77, ~0ULL);
	walk_cache_put(cache, 1, 0x1200, 2, 78, ~0ULL);
	tlb_flush_range(tlb, tdp_gfn(0x1400), tdp_gfn(0x1401));
	assert_non_null(walk_cache_find(cache, 1, 0x1200, 1));
	assert_null(walk_cache_find(cache, 1, 0x1200, 2));
	tlb_flush_range(tlb, tdp_gfn(0x13ff), tdp_gfn(0x1400));
	assert_null(walk_cache_find(cache, 1, 0x1200, 1));
}

static void a_walks_result_becomes_the_entry_that_allows_what_it_said(void **state)
{
	struct fixture *fixture = *state;
	struct tlb *tlb = empty_tlb(state);
	struct tdp_walk_config config = {.format = TDP_NPT, .host_nxe = true};
	const struct tlb_entry *entry;
	struct tdp_walk_result result;

	raw_build(fixture->raw, &config, 2);
	*raw_data_entry(fixture->raw, 2) |= NPT_NX;
	result = raw_walk_gpa(fixture->raw, fixture->raw->data + 0x3000, TDP_READ, true);
	tlb_insert_walk(tlb, 5, 0x7777123, false, &result);
	entry = tlb_lookup(tlb, 5, 0x7777000, TDP_READ, true);
	assert_non_null(entry);
	assert_int_equal(entry->pfn.n, fixture->raw->buffer.n + 3);
	assert_int_equal(entry->gfn.n, (fixture->raw->data >> 12) + 3);
	assert_int_equal(entry->level, 2);
	assert_null(tlb_lookup(tlb, 5, 0x7777000, TDP_FETCH, true));
	assert_null(tlb_lookup(tlb, 5, 0x7777000, TDP_WRITE, true));
	result = raw_walk_gpa(fixture->raw, fixture->raw->data + 0x3000, TDP_WRITE, true);
	tlb_insert_walk(tlb, 5, 0x7777123, false, &result);
	assert_non_null(tlb_lookup(tlb, 5, 0x7777000, TDP_WRITE, true));
}

/* The paging-structure cache */

static const struct tdp_walk_config cached_configs[] = {
	{.format = TDP_EPT, .ad = true},
	{.format = TDP_EPT, .levels = 5, .mbec = true},
	{.format = TDP_NPT, .host_nxe = true},
	{.format = TDP_NPT, .levels = 5},
};

struct cached {
	struct raw *raw;
	struct tlb *tlb;
	struct walker walker;
};

static struct cached build_cached(void **state, const struct tdp_walk_config *config)
{
	struct fixture *fixture = *state;
	struct cached cached = {.raw = fixture->raw, .tlb = empty_tlb(state)};

	raw_build(cached.raw, config, 1);
	assert_int_equal(walker_init(&cached.walker, cached.raw->host, config), 0);
	return cached;
}

static struct tdp_walk_result walk_cached(struct cached *cached, uint64_t gpa,
					  enum tdp_access access)
{
	struct tdp_walk_request request = {.address = gpa, .access = access, .user = true};
	struct tdp_walk_result result;

	walk_second(&cached->walker, &cached->tlb->structures, cached->raw->root, &request,
		    &result);
	return result;
}

static void expect_same(const struct tdp_walk_result *a, const struct tdp_walk_result *b)
{
	assert_int_equal(a->outcome, b->outcome);
	assert_int_equal(a->level, b->level);
	assert_int_equal(a->rights, b->rights);
	assert_int_equal(a->dirty, b->dirty);
	assert_int_equal(a->gpa, b->gpa);
	assert_int_equal(a->error_code, b->error_code);
	assert_int_equal(a->entry, b->entry);
	assert_int_equal(a->entry_level, b->entry_level);
	assert_int_equal(a->pfn.n, b->pfn.n);
}

static void a_cached_walk_gives_the_same_result_as_one_from_the_root(void **state)
{
	for (size_t i = 0; i < sizeof(cached_configs) / sizeof(cached_configs[0]); i++) {
		struct cached cached = build_cached(state, &cached_configs[i]);
		struct tdp_walk_result first, second;

		*raw_data_entry(cached.raw, 3) &= ~BIT(1); /* W in either format */
		first = walk_cached(&cached, cached.raw->data, TDP_READ);
		second = walk_cached(&cached, cached.raw->data, TDP_READ);
		assert_int_equal(first.outcome, TDP_WALK_DONE);
		expect_same(&first, &second);
		first = raw_walk_gpa(cached.raw, cached.raw->data, TDP_WRITE, true);
		second = walk_cached(&cached, cached.raw->data, TDP_WRITE);
		assert_int_equal(second.outcome, TDP_WALK_VIOLATION);
		expect_same(&first, &second);
	}
}

/* A TLB is a cache: without the flush that is owed, the old table is still used. */
static void upper_entries_are_not_read_again_until_a_flush(void **state)
{
	for (size_t i = 0; i < sizeof(cached_configs) / sizeof(cached_configs[0]); i++) {
		struct cached cached = build_cached(state, &cached_configs[i]);
		struct tdp_walk_result result;

		for (unsigned int level = 2; level <= 4; level++) {
			uint64_t *entry = raw_data_entry(cached.raw, level);
			uint64_t whole;

			result = walk_cached(&cached, cached.raw->data, TDP_READ);
			assert_int_equal(result.outcome, TDP_WALK_DONE);
			whole = *entry;
			*entry = 0;
			result = walk_cached(&cached, cached.raw->data, TDP_READ);
			assert_int_equal(result.outcome, TDP_WALK_DONE);
			tlb_flush(cached.tlb);
			result = walk_cached(&cached, cached.raw->data, TDP_READ);
			assert_int_equal(result.outcome, TDP_WALK_VIOLATION);
			assert_int_equal(result.entry_level, level);
			*entry = whole;
		}
	}
}

/* The neighbour shares the table at `level` with the data region, and nothing below it. */
static void each_table_is_remembered_for_all_that_it_maps(void **state)
{
	for (unsigned int level = 1; level <= 3; level++) {
		struct cached cached = build_cached(state, &cached_configs[0]);
		uint64_t neighbour = cached.raw->data + tdp_level_bytes(level);
		struct tdp_walk_result result;

		raw_map(cached.raw, neighbour, 1, cached.raw->buffer.n + 9);
		*raw_data_entry(cached.raw, 4) &= ~EPT_W;
		result = walk_cached(&cached, cached.raw->data, TDP_READ);
		assert_int_equal(result.outcome, TDP_WALK_DONE);
		*raw_data_entry(cached.raw, level + 1) = 0;
		result = walk_cached(&cached, neighbour, TDP_READ);
		assert_int_equal(result.outcome, TDP_WALK_DONE);
		assert_int_equal(result.pfn.n, cached.raw->buffer.n + 9);
		/* Twice removed, the upper entry's missing right still counts. */
		result = walk_cached(&cached, neighbour, TDP_WRITE);
		assert_int_equal(result.outcome, TDP_WALK_VIOLATION);
		assert_int_equal(result.entry_level, 1);
		tlb_flush(cached.tlb);
		result = walk_cached(&cached, neighbour, TDP_READ);
		assert_int_equal(result.outcome, TDP_WALK_VIOLATION);
	}
}

static void the_leaf_is_always_read_again(void **state)
{
	struct cached cached = build_cached(state, &cached_configs[0]);
	struct tdp_walk_result result = walk_cached(&cached, cached.raw->data, TDP_READ);

	assert_int_equal(result.outcome, TDP_WALK_DONE);
	*raw_data_entry(cached.raw, 1) = 0;
	result = walk_cached(&cached, cached.raw->data, TDP_READ);
	assert_int_equal(result.outcome, TDP_WALK_VIOLATION);
}

static void a_table_linked_later_is_found_without_a_flush(void **state)
{
	for (unsigned int level = 2; level <= 4; level++) {
		struct cached cached = build_cached(state, &cached_configs[0]);
		uint64_t *entry = raw_data_entry(cached.raw, level);
		uint64_t whole = *entry;
		struct tdp_walk_result result;

		*entry = 0;
		result = walk_cached(&cached, cached.raw->data, TDP_READ);
		assert_int_equal(result.outcome, TDP_WALK_VIOLATION);
		*entry = whole;
		result = walk_cached(&cached, cached.raw->data, TDP_READ);
		assert_int_equal(result.outcome, TDP_WALK_DONE);
	}
}

static void a_refused_walk_forgets_what_was_known_about_its_address(void **state)
{
	struct cached cached = build_cached(state, &cached_configs[0]);
	struct tdp_walk_result result;
	uint64_t *upper = raw_data_entry(cached.raw, 3);

	*upper &= ~EPT_W;
	result = walk_cached(&cached, cached.raw->data, TDP_READ);
	assert_int_equal(result.outcome, TDP_WALK_DONE);
	*upper |= EPT_W;
	/* Stale rights may refuse once, never twice. */
	result = walk_cached(&cached, cached.raw->data, TDP_WRITE);
	assert_int_equal(result.outcome, TDP_WALK_VIOLATION);
	result = walk_cached(&cached, cached.raw->data, TDP_WRITE);
	assert_int_equal(result.outcome, TDP_WALK_DONE);
}

static void regions_and_roots_do_not_answer_for_each_other(void **state)
{
	struct cached cached = build_cached(state, &cached_configs[0]);
	struct raw *raw = cached.raw;
	tdp_pfn_t root = raw->root;
	struct tdp_walk_result result;

	/* Regions that share a slot of the cache, at each level. */
	for (unsigned int level = 1; level <= 3; level++) {
		uint64_t other = raw->data + (WALK_CACHE_WAYS * tdp_level_bytes(level + 1));

		raw_map(raw, other, 1, raw->buffer.n + level);
		for (unsigned int i = 0; i < 4; i++) {
			result = walk_cached(&cached, i & 1 ? other : raw->data, TDP_READ);
			assert_int_equal(result.outcome, TDP_WALK_DONE);
			assert_int_equal(result.pfn.n, raw->buffer.n + (i & 1 ? level : 0));
		}
	}
	result = walk_cached(&cached, raw->data, TDP_READ);
	assert_int_equal(result.outcome, TDP_WALK_DONE);
	raw->root = tdp_pfn(raw->next++);
	memset(tdp_host_frame(raw->host, raw->root), 0, TDP_PAGE_SIZE);
	result = walk_cached(&cached, raw->data, TDP_READ);
	assert_int_equal(result.outcome, TDP_WALK_VIOLATION);
	raw->root = root;
}

static void a_look_neither_uses_nor_fills_the_cache(void **state)
{
	struct cached cached = build_cached(state, &cached_configs[0]);
	struct tdp_walk_request request = {
		.address = cached.raw->data, .access = TDP_READ, .no_update = true};
	struct tdp_walk_result result;

	walk_second(&cached.walker, &cached.tlb->structures, cached.raw->root, &request, &result);
	assert_int_equal(result.outcome, TDP_WALK_DONE);
	assert_true(cached.tlb->structures.empty);
	result = walk_cached(&cached, cached.raw->data, TDP_READ);
	assert_false(cached.tlb->structures.empty);
	*raw_data_entry(cached.raw, 2) = 0;
	walk_second(&cached.walker, &cached.tlb->structures, cached.raw->root, &request, &result);
	assert_int_equal(result.outcome, TDP_WALK_VIOLATION);
}

static void a_cached_structure_does_not_come_back_when_the_epoch_comes_round(void **state)
{
	struct cached cached = build_cached(state, &cached_configs[0]);
	struct walk_cache *cache = &cached.tlb->structures;
	struct tdp_walk_result result = walk_cached(&cached, cached.raw->data, TDP_READ);

	assert_int_equal(result.outcome, TDP_WALK_DONE);
	cache->epoch = UINT32_MAX;
	walk_cache_flush(cache);
	assert_int_not_equal(cache->epoch, 0);
	*raw_data_entry(cached.raw, 2) = 0;
	result = walk_cached(&cached, cached.raw->data, TDP_READ);
	assert_int_equal(result.outcome, TDP_WALK_VIOLATION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_inserted_is_found_by_each_address_of_its_page),
		cmocka_unit_test(an_empty_tlb_knows_no_page_at_all),
		cmocka_unit_test(each_kind_of_access_needs_its_own_right),
		cmocka_unit_test(a_write_through_a_clean_entry_walks_again),
		cmocka_unit_test(a_page_has_one_entry_for_a_root),
		cmocka_unit_test(a_full_set_gives_up_one_entry_and_keeps_the_newest),
		cmocka_unit_test(a_flush_forgets_everything_and_counts_nothing_when_empty),
		cmocka_unit_test(an_entry_does_not_come_back_when_the_epoch_comes_round),
		cmocka_unit_test(a_visit_ends_when_told),
		cmocka_unit_test(a_range_flush_takes_the_entries_whose_leaf_it_meets),
		cmocka_unit_test(a_range_flush_takes_cached_tables_that_span_part_of_it),
		cmocka_unit_test(a_walks_result_becomes_the_entry_that_allows_what_it_said),
		cmocka_unit_test(a_cached_walk_gives_the_same_result_as_one_from_the_root),
		cmocka_unit_test(upper_entries_are_not_read_again_until_a_flush),
		cmocka_unit_test(each_table_is_remembered_for_all_that_it_maps),
		cmocka_unit_test(the_leaf_is_always_read_again),
		cmocka_unit_test(a_table_linked_later_is_found_without_a_flush),
		cmocka_unit_test(a_refused_walk_forgets_what_was_known_about_its_address),
		cmocka_unit_test(regions_and_roots_do_not_answer_for_each_other),
		cmocka_unit_test(a_look_neither_uses_nor_fills_the_cache),
		cmocka_unit_test(a_cached_structure_does_not_come_back_when_the_epoch_comes_round),
	};

	return cmocka_run_group_tests_name("paging/tlb", tests, setup, teardown);
}
