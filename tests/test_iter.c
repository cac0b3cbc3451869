/*
 * The iterator (P1 and P2 of paging/iter.h): compared with a plain recursion over
 * the same tables, with and without yields, and while entries change under it.
 */
#include "support/guest.h"

#include <errno.h>
#include <stdlib.h>

#include "vm/vm.h"

#define VISITS_MAX 8192

struct visits {
	size_t count;
	struct visit {
		uint64_t gfn, entry;
		unsigned int level;
	} at[VISITS_MAX];
};

static void add(struct visits *visits, uint64_t gfn, unsigned int level, uint64_t entry)
{
	assert_true(visits->count < VISITS_MAX);
	visits->at[visits->count++] = (struct visit){gfn, entry, level};
}

struct range {
	uint64_t start, end;
	unsigned int min_level;
};

/*
 * The reference: every entry of a table in turn, the entries of the table that it links right
 * behind it.
 */
static void recurse(const struct guest *guest, tdp_pfn_t table, unsigned int level, uint64_t base,
		    const struct range *range, struct visits *visits)
{
	const struct encoding *e = &guest->vm->mmu.encoding;
	const uint64_t *entries = tdp_host_frame(guest->host, table);

	for (unsigned int i = 0; i < 512; i++) {
		uint64_t gfn = base + i * tdp_level_pages(level), entry = entries[i];

		if (gfn + tdp_level_pages(level) <= range->start || gfn >= range->end)
			continue;
		add(visits, gfn, level, entry);
		if (level > range->min_level && spte_table(e, entry, level))
			recurse(guest, spte_pfn(entry), level - 1, gfn, range, visits);
	}
}

static struct table *root_of(const struct guest *guest)
{
	return table_of(guest->host, tdp_vcpu_root(guest->vcpu));
}

static void begin(const struct guest *guest, struct iter *iter, const struct range *range)
{
	iter_begin(iter, guest->host, &guest->vm->mmu.encoding, root_of(guest), range->min_level,
		   tdp_gfn(range->start), tdp_gfn(range->end));
}

/* 4K and 2M leaves, holes at every level, an MMIO entry, the tables' last entries. */
static struct guest *mixed(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	static const uint64_t touched[] = {
		0, 1, 3, 511, 513, 600, 0x3ffff, 0x40000000, (1ULL << 33) | 511};

	guest_slot(guest, 1, 0, 1 << 18, 0);
	guest_slot(guest, 2, 0x40000000, 1 << 18, 1 << 18);
	guest_slot(guest, 3, 1ULL << 33, 1 << 18, 2 << 18);
	for (size_t i = 0; i < sizeof(touched) / sizeof(touched[0]); i++)
		guest_touch(guest, touched[i], TDP_WRITE);
	guest->script.level = TDP_2M;
	guest_touch(guest, 0x800, TDP_READ);
	guest_touch(guest, (1ULL << 33) | 512, TDP_READ);
	guest_access(guest, 0x7000000000, TDP_READ);
	return guest;
}

static const struct range ranges[] = {
	{0, 1ULL << 36, 1},
	{0, 1ULL << 36, 2},
	{0, 1ULL << 36, 3},
	{0, 1ULL << 36, 4},
	{0, 1, 1},
	{3, 4, 1},
	{511, 514, 1},
	{600, 0x900, 1},
	{0x801, 0x802, 1},
	{0x3fffffff, 0x40000001, 1},
	{(1ULL << 33) | 3, 1ULL << 36, 1},
	{(1ULL << 36) - 1, 1ULL << 36, 1},
};
#define RANGES (sizeof(ranges) / sizeof(ranges[0]))

static void compare(const struct visits *found, const struct visits *expected)
{
	size_t i = 0;

	while (i < found->count && i < expected->count && found->at[i].gfn == expected->at[i].gfn &&
	       found->at[i].level == expected->at[i].level &&
	       found->at[i].entry == expected->at[i].entry)
		i++;
	if (i == found->count && i == expected->count)
		return;
	fail_msg("visit %zu of %zu (%zu): gfn 0x%llx level %u", i, found->count, expected->count,
		 (unsigned long long)found->at[i].gfn, found->at[i].level);
}

/* P1 */

static void each_entry_is_visited_once_parents_first_in_order(void **state)
{
	struct guest *guest = mixed(state);
	struct visits *found = calloc(2, sizeof(*found)), *expected = found + 1;

	for (size_t i = 0; i < RANGES; i++) {
		struct iter iter;

		found->count = expected->count = 0;
		recurse(guest, tdp_vcpu_root(guest->vcpu), 4, 0, &ranges[i], expected);
		for (begin(guest, &iter, &ranges[i]); iter_valid(&iter); iter_next(&iter))
			add(found, iter.at.gfn.n, iter.at.level, iter.at.entry);
		compare(found, expected);
	}
	free(found);
}

static void five_level_trees_are_walked_from_their_own_top(void **state)
{
	struct guest *guest = guest_make(state, .vm.levels = 5);
	struct visits *found = calloc(2, sizeof(*found)), *expected = found + 1;
	struct range range = {0, 1ULL << 45, 1};
	struct iter iter;

	guest_slot(guest, 1, 0, 16, 0);
	guest_slot(guest, 2, 1ULL << 33, 16, 16);
	guest_touch(guest, 5, TDP_WRITE);
	guest_touch(guest, (1ULL << 33) + 5, TDP_WRITE);
	recurse(guest, tdp_vcpu_root(guest->vcpu), 5, 0, &range, expected);
	for (begin(guest, &iter, &range); iter_valid(&iter); iter_next(&iter))
		add(found, iter.at.gfn.n, iter.at.level, iter.at.entry);
	compare(found, expected);
	free(found);
}

static void a_hole_is_one_visit_at_its_own_level(void **state)
{
	struct guest *guest = guest_make(state);
	struct range range = {0, 1ULL << 36, 1};
	struct iter iter;
	size_t count = 0;

	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	for (begin(guest, &iter, &range); iter_valid(&iter); iter_next(&iter)) {
		assert_int_equal(iter.at.level, 4);
		assert_int_equal(iter.at.entry, guest_nonpresent(guest));
		assert_int_equal(iter.at.gfn.n, count++ * tdp_level_pages(4));
	}
	assert_int_equal(count, 512);
}

static void an_empty_range_and_one_out_of_reach_have_no_entries_to_change(void **state)
{
	struct guest *guest = mixed(state);
	struct range beyond = {1ULL << 36, (1ULL << 36) + 512, 1};
	struct iter iter;

	begin(guest, &iter, &beyond);
	assert_false(iter_valid(&iter));
}

/* P2: yields */

/* Yields as often as allowed, never touching an entry between a yield and the next step. */
static size_t walk_yielding(const struct guest *guest, const struct range *range,
			    struct visits *found)
{
	size_t yields = 0;
	struct iter iter;

	for (begin(guest, &iter, range); iter_valid(&iter); iter_next(&iter)) {
		if (iter_may_yield(&iter)) {
			iter_set_yielded(&iter);
			yields++;
			continue;
		}
		add(found, iter.at.gfn.n, iter.at.level, iter.at.entry);
	}
	return yields;
}

static bool holds(const struct visits *visits, const struct visit *wanted)
{
	for (size_t i = 0; i < visits->count; i++)
		if (visits->at[i].gfn == wanted->gfn && visits->at[i].level == wanted->level)
			return true;
	return false;
}

static void yielding_at_every_chance_skips_nothing_and_ends(void **state)
{
	struct guest *guest = mixed(state);
	struct visits *found = calloc(2, sizeof(*found)), *expected = found + 1;

	for (size_t i = 4; i < RANGES; i++) {
		found->count = expected->count = 0;
		recurse(guest, tdp_vcpu_root(guest->vcpu), 4, 0, &ranges[i], expected);
		walk_yielding(guest, &ranges[i], found);
		for (size_t k = 0; k < expected->count; k++)
			assert_true(holds(found, &expected->at[k]));
	}
	free(found);
}

static void leaves_are_processed_once_however_often_the_walk_yields(void **state)
{
	struct guest *guest = mixed(state);
	struct range range = {0, 1200, 1};
	struct visits *found = calloc(1, sizeof(*found));
	size_t leaves = 0;

	assert_true(walk_yielding(guest, &range, found) > 500);
	for (size_t i = 0; i < found->count; i++)
		leaves += found->at[i].level == 1;
	/* Three regions of 512 entries each, the third a hole at level 2. */
	assert_int_equal(leaves, 1024);
	free(found);
}

static void no_yield_is_allowed_before_a_step_sideways(void **state)
{
	struct guest *guest = mixed(state);
	struct range range = {3, 1200, 1};
	struct iter iter;

	begin(guest, &iter, &range);
	for (unsigned int level = 4; level >= 1; level--, iter_next(&iter)) {
		assert_int_equal(iter.at.level, level);
		assert_false(iter_may_yield(&iter));
	}
	assert_int_equal(iter.at.gfn.n, 4);
	assert_true(iter_may_yield(&iter));
	iter_set_yielded(&iter);
	/* From the root again, towards the entry at which it yielded. */
	for (unsigned int level = 4; level >= 1; level--) {
		iter_next(&iter);
		assert_int_equal(iter.at.level, level);
		assert_false(iter_may_yield(&iter));
	}
	assert_int_equal(iter.at.gfn.n, 4);
}

/* Entries that change while the walk stands on them */

static void a_table_unlinked_before_the_step_down_is_not_entered(void **state)
{
	struct guest *guest = mixed(state);
	struct range range = {0, 1024, 1};
	struct iter iter;
	uint64_t table;

	for (begin(guest, &iter, &range); iter.at.level > 2; iter_next(&iter))
		;
	table = u64_load_relaxed(iter.at.slot);
	assert_true(iter_at_table(&iter));
	u64_store_release(iter.at.slot, guest_nonpresent(guest));
	iter_next(&iter);
	assert_int_equal(iter.at.level, 2);
	assert_int_equal(iter.at.gfn.n, 512);
	u64_store_release(iter.at.slot - 1, table);
}

static void a_table_linked_before_the_step_down_is_entered(void **state)
{
	struct guest *guest = mixed(state);
	struct range range = {0, 1024, 1};
	struct iter iter;
	uint64_t table;

	begin(guest, &iter, &range);
	iter_next(&iter);
	table = u64_load_relaxed(iter.at.slot);
	u64_store_release(iter.at.slot, guest_nonpresent(guest));
	iter_refresh(&iter);
	assert_false(iter_at_table(&iter));
	u64_store_release(iter.at.slot, table);
	iter_next(&iter);
	assert_int_equal(iter.at.level, 2);
}

static void a_lost_exchange_is_tried_again_on_a_fresh_snapshot(void **state)
{
	struct guest *guest = mixed(state);
	struct range range = {0, 1, 1};
	struct iter iter;
	uint64_t entry;

	for (begin(guest, &iter, &range); iter.at.level > 1; iter_next(&iter))
		;
	entry = iter.at.entry;
	u64_store_release(iter.at.slot, entry ^ guest->vm->mmu.encoding.accessed);
	assert_int_equal(iter.at.entry, entry);
	iter_refresh(&iter);
	assert_int_equal(iter.at.entry, entry ^ guest->vm->mmu.encoding.accessed);
}

/* The public face */

static void the_public_iterator_hands_out_the_same_entries(void **state)
{
	struct guest *guest = mixed(state);
	struct visits *expected = calloc(1, sizeof(*expected));
	struct range range = {0, 0x900, 1};
	struct tdp_entry entry;
	struct tdp_iter *iter;
	size_t count = 0;

	recurse(guest, tdp_vcpu_root(guest->vcpu), 4, 0, &range, expected);
	assert_int_equal(tdp_iter_begin(guest->vm, 0, tdp_gfn(0), 0x900, 1, &iter), 0);
	for (; tdp_iter_next(iter, &entry); count++) {
		assert_int_equal(entry.gfn.n, expected->at[count].gfn);
		assert_int_equal(entry.level, expected->at[count].level);
		assert_int_equal(entry.value, expected->at[count].entry);
		if (entry.leaf)
			assert_int_equal(guest_walk(guest, entry.gfn.n, TDP_READ).pfn.n,
					 entry.pfn.n);
		assert_true(entry.present || !entry.leaf);
	}
	assert_int_equal(count, expected->count);
	assert_false(tdp_iter_next(iter, &entry));
	tdp_iter_end(iter);
	free(expected);
}

static void a_level_above_the_root_means_the_roots_own(void **state)
{
	struct guest *guest = mixed(state);
	struct tdp_entry entry;
	struct tdp_iter *iter;
	size_t count = 0;

	assert_int_equal(tdp_iter_begin(guest->vm, 0, tdp_gfn(0), 1ULL << 36, 5, &iter), 0);
	for (; tdp_iter_next(iter, &entry); count++)
		assert_int_equal(entry.level, 4);
	assert_int_equal(count, 512);
	tdp_iter_end(iter);
}

static void bad_ranges_are_refused_with_a_reason(void **state)
{
	struct guest *guest = mixed(state);
	struct tdp_iter *iter = (struct tdp_iter *)1;

	guest_refused(guest, tdp_iter_begin(guest->vm, 2, tdp_gfn(0), 1, 1, &iter), -EINVAL);
	guest_refused(guest, tdp_iter_begin(guest->vm, 0, tdp_gfn(0), 1, 0, &iter), -EINVAL);
	guest_refused(guest, tdp_iter_begin(guest->vm, 0, tdp_gfn(0), 1, 6, &iter), -EINVAL);
	guest_refused(guest, tdp_iter_begin(guest->vm, 0, tdp_gfn(5), ~0ULL, 1, &iter), -EINVAL);
	guest_refused(guest, tdp_iter_begin(guest->vm, 0, tdp_gfn(5), 0, 1, &iter), -EINVAL);
	assert_ptr_equal(iter, (struct tdp_iter *)1);
}

static void an_address_space_without_a_root_has_nothing_to_iterate(void **state)
{
	struct guest *guest = mixed(state);
	struct tdp_iter *iter = NULL;

	assert_int_equal(tdp_iter_begin(guest->vm, 1, tdp_gfn(0), 1, 1, &iter), -ENOENT);
	assert_null(iter);
	tdp_iter_end(NULL);
}

static void tables_stay_as_long_as_an_iterator_is_open(void **state)
{
	struct guest *guest = mixed(state);
	struct tdp_host_memory usage;
	struct tdp_entry entry;
	struct tdp_iter *iter;
	uint64_t frames;

	tdp_host_usage(guest->host, &usage);
	frames = usage.table_frames;
	assert_int_equal(tdp_iter_begin(guest->vm, 0, tdp_gfn(0), 0x900, 1, &iter), 0);
	for (unsigned int i = 0; i < 10; i++)
		assert_true(tdp_iter_next(iter, &entry));
	assert_int_equal(entry.level, 1);
	tdp_mmu_zap_all_fast(guest->vm);
	tdp_host_usage(guest->host, &usage);
	assert_true(usage.table_frames >= frames);
	/* Removed tables are frozen; the poison of freed frames would show. */
	while (tdp_iter_next(iter, &entry))
		assert_false(entry.present);
	tdp_iter_end(iter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(each_entry_is_visited_once_parents_first_in_order),
		guest_test(five_level_trees_are_walked_from_their_own_top),
		guest_tests(a_hole_is_one_visit_at_its_own_level),
		guest_test(an_empty_range_and_one_out_of_reach_have_no_entries_to_change),
		guest_tests(yielding_at_every_chance_skips_nothing_and_ends),
		guest_test(leaves_are_processed_once_however_often_the_walk_yields),
		guest_test(no_yield_is_allowed_before_a_step_sideways),
		guest_test(a_table_unlinked_before_the_step_down_is_not_entered),
		guest_test(a_table_linked_before_the_step_down_is_entered),
		guest_test(a_lost_exchange_is_tried_again_on_a_fresh_snapshot),
		guest_tests(the_public_iterator_hands_out_the_same_entries),
		guest_test(a_level_above_the_root_means_the_roots_own),
		guest_test(bad_ranges_are_refused_with_a_reason),
		guest_test(an_address_space_without_a_root_has_nothing_to_iterate),
		guest_tests(tables_stay_as_long_as_an_iterator_is_open),
	};

	return cmocka_run_group_tests_name("paging/iter", tests, NULL, NULL);
}
