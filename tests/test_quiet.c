/*
 * Changes without an observer (neither checker nor trace) take shorter paths with the same result.
 * Nearly all other tests have an observer.
 */
#include "support/inside.h"
#include "support/logged.h"

#include <string.h>

#include "mmu/clear.h"

/* All tasks of the VM, and its vCPUs, from now on. */
static void tell(struct guest *guest, bool observed)
{
	struct mmu_actor *task = ptr_load_seq_cst(&guest->vm->mmu.tasks.all);

	for (; task; task = task->next_task)
		task->observed = observed;
	for (unsigned int i = 0; i < guest->config.vcpus; i++)
		guest->vcpus[i]->context.actor.observed = observed;
}

static uint64_t next(uint64_t *random)
{
	*random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
	return *random >> 8 ^ *random << 32;
}

/* Leaves of all kinds, holes, MMIO entries and frozen ones; their frames were never out. */
static void fill(const struct guest *guest, atomic_u64 entries[TABLE_ENTRIES], uint64_t random)
{
	const struct encoding *e = &guest->vm->mmu.encoding;
	uint64_t kinds[] = {e->nonpresent, e->frozen, spte_make_mmio(e, tdp_gfn(AT), 5)};

	for (unsigned int i = 0; i < TABLE_ENTRIES; i++) {
		uint64_t bits = next(&random), value = kinds[bits % 3];

		if (bits >> 8 & 7) {
			value = bits & (e->write | e->format->dirty | e->format->accessed |
					e->mmu_writable | e->ad_type_disabled);
			value |= e->mmu_present | e->host_writable;
			if (!spte_writability_legal(e, value))
				value &= ~e->write;
		}
		u64_init(&entries[i], value);
	}
}

static void clear_both_ways(struct guest *guest, uint64_t random, uint64_t bits)
{
	static atomic_u64 aloud[TABLE_ENTRIES], quiet[TABLE_ENTRIES];
	unsigned int from = (unsigned int)next(&random) % (TABLE_ENTRIES - 64);
	struct spot parent = {.gfn = tdp_gfn(AT), .level = TDP_2M};
	uint64_t mask = next(&random) & next(&random);
	struct mmu_actor *task = mmu_task_get(&guest->vm->mmu);

	for (int observed = 0; observed < 2; observed++) {
		atomic_u64 *entries = observed ? aloud : quiet;
		struct mmu_exclusive exclusive;
		struct mmu_shared shared;

		fill(guest, entries, random);
		task->observed = observed;
		exclusive = mmu_lock_exclusive(task);
		entries_clear_masked(exclusive, &parent, entries, from, mask, bits);
		mmu_unlock_exclusive(exclusive);
		shared = mmu_lock_shared(task);
		entries_clear_bits(shared, &parent, entries, from + 64 - from % 64,
				   from % 2 ? TABLE_ENTRIES : from + 64, bits);
		mmu_unlock_shared(shared);
	}
	mmu_task_put(task);
	assert_memory_equal(aloud, quiet, sizeof(aloud));
}

static void check_clearing(void **state, struct tdp_vm_config config)
{
	struct guest *guest = guest_make(state, .vm = config);
	const struct encoding *e = &guest->vm->mmu.encoding;

	for (uint64_t random = 1; random <= 200; random++) {
		clear_both_ways(guest, random, e->write);
		clear_both_ways(guest, random, e->format->dirty);
		guest_forget(guest);
	}
}

static void entries_are_cleared_alike(void **state)
{
	check_clearing(state, (struct tdp_vm_config){0});
}

static void entries_are_cleared_alike_in_6_1(void **state)
{
	check_clearing(state, (struct tdp_vm_config){.baseline = TDP_BASELINE_6_1});
}

static void entries_are_cleared_alike_without_flags_of_the_cpu(void **state)
{
	check_clearing(state, (struct tdp_vm_config){.no_ad = true});
}

/* Fast page faults */

static struct guest *protected(void **state, struct guest_config config, enum tdp_level page)
{
	struct guest *guest;

	config.policy.dirty_track = TDP_DIRTY_TRACK_WRPROT;
	config.page = page;
	guest = guest_make_as(state, &config);
	guest_slot(guest, 1, AT, PAGES, 0);
	for (uint64_t page_number = 0; page_number < PAGES; page_number += 100)
		guest_touch(guest, AT + page_number, TDP_WRITE);
	slot_logged(guest, true);
	guest_forget(guest);
	return guest;
}

/* Each kind of exit that becomes a fast page fault, with and without an observer. */
static void touch_twice(struct guest *guest, uint64_t page)
{
	uint64_t fast = guest_stats(guest).pf_fast, aloud;

	assert_false(guest_writable(guest, AT + page));
	assert_int_equal(guest_touch(guest, AT + page, TDP_WRITE), 1);
	aloud = guest_entry_bits(guest, AT + page);
	tell(guest, false);
	assert_false(guest_writable(guest, AT + page + 100));
	assert_int_equal(guest_touch(guest, AT + page + 100, TDP_WRITE), 1);
	tell(guest, true);
	assert_int_equal(guest_entry_bits(guest, AT + page + 100), aloud);
	assert_int_equal(guest_stats(guest).pf_fast, fast + 2);
	assert_int_equal(guest_stats(guest).pf_fixed, guest_stats(guest).pf_taken);
}

static void a_right_is_given_back_and_the_page_logged(void **state)
{
	struct guest *guest = protected(state, (struct guest_config){0}, TDP_4K);

	touch_twice(guest, 600);
	log_expect(guest, 600, 700);
	/* Read by a task without an observer, and protected again. */
	touch_twice(guest, 600);
	tell(guest, false);
	log_expect(guest, 600, 700);
	tell(guest, true);
	touch_twice(guest, 600);
	assert_int_equal(guest_count(guest, TDP_TRACE_FAST_PAGE_FAULT), 3);
}

static void a_right_is_given_back_and_the_page_put_in_the_ring(void **state)
{
	struct guest *guest =
		protected(state, (struct guest_config){.vm.dirty_ring = 4096}, TDP_4K);
	struct tdp_dirty_page pages[3];

	touch_twice(guest, 600);
	assert_int_equal(tdp_vcpu_harvest_dirty_ring(guest->vcpu, pages, 3), 2);
	assert_int_equal(pages[0].offset, 600);
	assert_int_equal(pages[1].offset, 700);
}

static void a_right_is_given_back_that_an_older_kernel_took(void **state)
{
	struct guest *guest =
		protected(state, (struct guest_config){.vm.baseline = TDP_BASELINE_6_1}, TDP_4K);

	touch_twice(guest, 600);
	log_expect(guest, 600, 700);
}

static void without_flags_of_the_cpu_too(void **state)
{
	struct guest *guest = protected(state, (struct guest_config){.vm.no_ad = true}, TDP_4K);

	touch_twice(guest, 600);
	log_expect(guest, 600, 700);
}

/* A huge leaf of a logged slot is split, a hole is filled: both take the general path. */
static void what_is_not_a_small_leaf_goes_the_long_way(void **state)
{
	struct guest *guest =
		protected(state, (struct guest_config){.policy.eager_split = TDP_OFF}, TDP_2M);

	assert_int_equal(guest_level(guest, AT), TDP_2M);
	tell(guest, false);
	assert_int_equal(guest_touch(guest, AT + 5, TDP_WRITE), 1);
	assert_int_equal(guest_level(guest, AT), TDP_4K);
	tell(guest, true);
	log_expect(guest, 5);
	assert_int_equal(guest_stats(guest).pf_fast, 0);
}

static void what_is_read_only_is_not_made_writable(void **state)
{
	struct guest *guest = guest_make(state, .page = TDP_4K);

	guest_slot_read_only(guest, 1, AT, PAGES, 0);
	guest_touch(guest, AT, TDP_READ);
	tell(guest, false);
	assert_int_equal(guest_access(guest, AT << TDP_PAGE_SHIFT, TDP_WRITE).outcome,
			 TDP_ACCESS_MMIO);
	tell(guest, true);
	assert_false(guest_writable(guest, AT));
	assert_int_equal(guest_stats(guest).pf_fast, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(entries_are_cleared_alike),
		guest_tests(entries_are_cleared_alike_in_6_1),
		guest_test_ept(entries_are_cleared_alike_without_flags_of_the_cpu),
		guest_tests(a_right_is_given_back_and_the_page_logged),
		guest_tests(a_right_is_given_back_and_the_page_put_in_the_ring),
		guest_tests(a_right_is_given_back_that_an_older_kernel_took),
		guest_test_ept(without_flags_of_the_cpu_too),
		guest_tests(what_is_not_a_small_leaf_goes_the_long_way),
		guest_tests(what_is_read_only_is_not_made_writable),
	};

	return cmocka_run_group_tests_name("mmu/quiet", tests, NULL, NULL);
}
