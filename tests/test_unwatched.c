/*
 * Without check and tracepoints changes take shorter paths, with the same result. All other tests
 * have a checker or a trace, so these have neither.
 */
#include "support/guest.h"

#include "mmu/flush.h"
#include "mmu/zap.h"
#include "vm/vm.h"

#define AT   0x40000ULL
#define PAST (AT + 1024)

/* Two tables of leaves. */
static struct guest *mapped(void **state)
{
	struct guest *guest = guest_make(state, .unchecked = true, .vcpus = 2);

	guest_slot(guest, 1, AT, PAST - AT, 0);
	for (uint64_t gfn = AT; gfn < PAST; gfn++)
		assert_int_equal(guest_touch(guest, gfn, TDP_WRITE), 1);
	assert_int_equal(guest_stats(guest).pages_4k, PAST - AT);
	return guest;
}

static void expect_hole(const struct guest *guest, uint64_t first, uint64_t past)
{
	for (uint64_t gfn = AT; gfn < PAST; gfn++)
		assert_int_equal(guest_level(guest, gfn),
				 gfn >= first && gfn < past ? TDP_NOT_MAPPED : TDP_4K);
	assert_int_equal(guest_stats(guest).pages_4k, PAST - AT - (past - first));
}

static void zapped_ranges_end_where_they_end(void **state)
{
	static const uint64_t edges[][2] = {{0, 1},	{7, 9},	      {8, 16},	{5, 523},
					    {511, 513}, {1001, 1024}, {0, 1024}};
	struct guest *guest = mapped(state);

	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		tdp_mmu_zap_range(guest->vm, tdp_gfn(AT + edges[i][0]), edges[i][1] - edges[i][0]);
		expect_hole(guest, AT + edges[i][0], AT + edges[i][1]);
		for (uint64_t gfn = AT; gfn < PAST; gfn++)
			guest_touch(guest, gfn, TDP_WRITE);
		expect_hole(guest, AT, AT);
	}
}

static void zapping_leaves_entries_of_holes_in_the_slots(void **state)
{
	struct guest *guest = guest_make(state, .unchecked = true);
	uint64_t entry;

	guest_slot(guest, 1, AT, 8, 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_access(guest, (AT + 8) << 12, TDP_READ).outcome, TDP_ACCESS_MMIO);
	entry = guest_entry(guest, AT + 8);
	assert_int_not_equal(entry, guest_nonpresent(guest));
	tdp_mmu_zap_range(guest->vm, tdp_gfn(AT), 512);
	assert_int_equal(guest_level(guest, AT), TDP_NOT_MAPPED);
	assert_int_equal(guest_entry(guest, AT + 8), entry);
}

static void a_zap_of_all_roots_takes_every_leaf_and_table(void **state)
{
	struct guest *guest = mapped(state);

	guest_touch_on(guest->vcpus[1], AT, TDP_READ);
	tdp_mmu_zap_all_fast(guest->vm);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_touch_on(guest->vcpus[1], AT + 5, TDP_WRITE), 1);
	assert_int_equal(guest_touch(guest, AT + 5, TDP_WRITE), 0);
	assert_int_equal(guest_stats(guest).pages_4k, 1);
}

/* Between the descent and mmu_lock all tables below the root are removed. */
static void remove_tables(struct guest *guest)
{
	struct mmu_actor *task = mmu_task_get(&guest->vm->mmu);

	guest->script.inside = NULL;
	mmu_zap_all(task);
	mmu_flush_range(task, tdp_gfn(AT), 512);
	mmu_task_put(task);
}

static void a_fault_does_not_fill_a_table_that_was_taken_away(void **state)
{
	struct guest *guest = guest_make(state, .unchecked = true, .scripted = true);

	guest_slot(guest, 1, AT, 512, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest->script.inside = remove_tables;
	assert_int_equal(guest_touch(guest, AT + 1, TDP_WRITE), 1);
	assert_int_equal(guest_level(guest, AT), TDP_NOT_MAPPED);
	assert_int_equal(guest_level(guest, AT + 1), TDP_4K);
	assert_int_equal(guest_stats(guest).pages_4k, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(zapped_ranges_end_where_they_end),
		guest_tests(zapping_leaves_entries_of_holes_in_the_slots),
		guest_tests(a_zap_of_all_roots_takes_every_leaf_and_table),
		guest_tests(a_fault_does_not_fill_a_table_that_was_taken_away),
	};

	return cmocka_run_group_tests_name("mmu/unwatched", tests, NULL, NULL);
}
