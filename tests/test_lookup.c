/*
 * Lookups under a vCPU's root: what they find is what the hardware's walk, which
 * shares no code with them, finds at the same moment.
 */
#include <errno.h>
#include <string.h>

#include "support/guest.h"

#define AT    0x40000ULL /* gfn, aligned to 1G */
#define PAGES 1024

static struct guest *mapped(void **state, enum tdp_level page)
{
	struct guest *guest = guest_make(state, .page = page);

	guest_slot(guest, 1, AT, PAGES, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_touch(guest, AT + 600, TDP_WRITE);
	return guest;
}

static struct tdp_entry look_up(struct guest *guest, uint64_t gfn)
{
	struct tdp_entry entry;

	assert_int_equal(tdp_vcpu_lookup(guest->vcpu, tdp_gfn(gfn), &entry), 0);
	return entry;
}

static void a_lookup_finds_the_leaf_that_the_hardware_uses(void **state)
{
	struct guest *guest = mapped(state, TDP_4K);
	struct tdp_walk_result walk = guest_walk(guest, AT + 600, TDP_READ);
	struct tdp_entry entry = look_up(guest, AT + 600);

	assert_true(entry.present);
	assert_true(entry.leaf);
	assert_int_equal(entry.level, TDP_4K);
	assert_int_equal(entry.gfn.n, AT + 600);
	assert_int_equal(entry.pfn.n, walk.pfn.n);
	assert_int_equal(entry.value, guest_entry(guest, AT + 600));
}

static void a_huge_leaf_is_found_by_any_frame_of_it(void **state)
{
	struct guest *guest = mapped(state, TDP_2M);
	struct tdp_entry entry = look_up(guest, AT + 5);

	assert_true(entry.leaf);
	assert_int_equal(entry.level, TDP_2M);
	assert_int_equal(entry.gfn.n, AT);
	assert_int_equal(entry.value, guest_entry(guest, AT));
}

static void a_lookup_of_a_page_that_is_not_mapped_ends_above_it(void **state)
{
	struct guest *guest = mapped(state, TDP_4K);
	struct tdp_entry beside = look_up(guest, AT + 1);
	struct tdp_entry far = look_up(guest, AT + 512 * 5 + 3);

	assert_false(beside.present);
	assert_false(beside.leaf);
	assert_int_equal(beside.level, TDP_4K);
	assert_int_equal(beside.gfn.n, AT + 1);
	assert_int_equal(beside.value, guest_nonpresent(guest));
	assert_int_equal(beside.pfn.n, 0);
	assert_false(far.present);
	assert_int_equal(far.level, TDP_2M);
	assert_int_equal(far.gfn.n, AT + 512 * 5);
}

static void a_frame_beyond_the_tables_has_no_level(void **state)
{
	struct guest *guest = mapped(state, TDP_4K);
	struct tdp_entry entry = look_up(guest, 1ULL << 36); /* 48 bits of address */

	assert_int_equal(entry.level, TDP_NOT_MAPPED);
	assert_int_equal(entry.gfn.n, 1ULL << 36);
	assert_false(entry.present);
	assert_false(entry.leaf);
	assert_int_equal(look_up(guest, (1ULL << 36) - 1).level, TDP_LEVEL_4);
	assert_int_equal(look_up(guest, ~0ULL).level, TDP_NOT_MAPPED);
}

static void a_vcpu_without_a_root_has_nothing_to_look_up(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_entry entry, before;
	tdp_gfn_t gfn = tdp_gfn(AT);

	memset(&entry, 0x5a, sizeof(entry));
	before = entry;
	guest_slot(guest, 1, AT, PAGES, 0);
	assert_int_equal(tdp_vcpu_lookup(guest->vcpu, gfn, &entry), -ENOENT);
	assert_int_equal(tdp_vcpu_lookup_many(guest->vcpu, &gfn, 1, &entry), -ENOENT);
	assert_memory_equal(&entry, &before, sizeof(entry));
}

static void a_lookup_changes_nothing(void **state)
{
	struct guest *guest = mapped(state, TDP_4K);
	struct tdp_stats before = guest_stats(guest), after;
	uint64_t entry = guest_entry(guest, AT);

	guest_forget(guest);
	look_up(guest, AT);
	look_up(guest, AT + 1);
	after = guest_stats(guest);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(guest->event_count, 0);
	assert_int_equal(guest_entry(guest, AT), entry);
}

static void expect_same(const struct tdp_entry *a, const struct tdp_entry *b)
{
	assert_int_equal(a->gfn.n, b->gfn.n);
	assert_int_equal(a->level, b->level);
	assert_int_equal(a->value, b->value);
	assert_int_equal(a->present, b->present);
	assert_int_equal(a->leaf, b->leaf);
	assert_int_equal(a->pfn.n, b->pfn.n);
}

/* Neighbours, jumps, holes, huge pages next to small ones, out of reach: in both directions. */
static void many_lookups_find_what_single_ones_do(void **state)
{
	static const uint64_t around[] = {0,	1,   2,	  511, 512, 513, 600,	     601, 1023,
					  1024, 600, 512, 511, 0,   0,	 1ULL << 40, 600, 2048};
	enum { COUNT = sizeof(around) / sizeof(around[0]) };
	struct guest *guest = mapped(state, TDP_4K);
	struct tdp_entry entries[COUNT];
	tdp_gfn_t gfns[COUNT];

	for (unsigned int gfn = 1; gfn < 512; gfn += 2)
		guest_touch(guest, AT + gfn, TDP_READ);
	for (size_t i = 0; i < COUNT; i++)
		gfns[i] = tdp_gfn(AT + around[i]);
	assert_int_equal(tdp_vcpu_lookup_many(guest->vcpu, gfns, COUNT, entries), 0);
	for (size_t i = 0; i < COUNT; i++) {
		struct tdp_entry alone = look_up(guest, gfns[i].n);

		expect_same(&entries[i], &alone);
	}
	assert_int_equal(tdp_vcpu_lookup_many(guest->vcpu, NULL, 0, NULL), 0);
}

static void many_lookups_among_huge_pages_find_what_single_ones_do(void **state)
{
	struct guest *guest = mapped(state, TDP_2M);
	struct tdp_entry entries[4], alone;
	const tdp_gfn_t gfns[] = {tdp_gfn(AT + 3), tdp_gfn(AT + 700), tdp_gfn(AT + 1025),
				  tdp_gfn(AT)};

	assert_int_equal(tdp_vcpu_lookup_many(guest->vcpu, gfns, 4, entries), 0);
	for (size_t i = 0; i < 4; i++) {
		alone = look_up(guest, gfns[i].n);
		expect_same(&entries[i], &alone);
	}
	assert_int_equal(entries[1].gfn.n, AT + 512);
	assert_false(entries[2].present);
}

static void what_was_zapped_is_not_found_any_more(void **state)
{
	struct guest *guest = mapped(state, TDP_4K);

	tdp_mmu_zap_range(guest->vm, tdp_gfn(AT), 1);
	assert_false(look_up(guest, AT).present);
	assert_true(look_up(guest, AT + 600).leaf);
	tdp_mmu_zap_all_fast(guest->vm);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	assert_false(look_up(guest, AT + 600).present);
	assert_int_equal(look_up(guest, AT + 600).level, TDP_LEVEL_4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_lookup_finds_the_leaf_that_the_hardware_uses),
		guest_tests(a_huge_leaf_is_found_by_any_frame_of_it),
		guest_tests(a_lookup_of_a_page_that_is_not_mapped_ends_above_it),
		guest_tests(a_frame_beyond_the_tables_has_no_level),
		guest_test(a_vcpu_without_a_root_has_nothing_to_look_up),
		guest_tests(a_lookup_changes_nothing),
		guest_tests(many_lookups_find_what_single_ones_do),
		guest_tests(many_lookups_among_huge_pages_find_what_single_ones_do),
		guest_tests(what_was_zapped_is_not_found_any_more),
	};

	return cmocka_run_group_tests_name("vm/lookup", tests, NULL, NULL);
}
