/*
 * Eager page splitting: before a logged slot is written, its huge leaves become 4K
 * ones that map the same. Switching a log on does more to the mappings afterwards, so
 * most tests call the split alone.
 */
#include "support/inside.h"

#include "mmu/split.h"

#define AT	INSIDE_AT
#define ADDRESS 0x000ffffffffff000ULL

static const struct guest_config scripted = {.scripted = true};

static void split(struct guest *guest)
{
	inside_do(guest, 1, mmu_split_slot);
}

/* The values */

static void children_are_what_the_kernel_makes_of_a_2m_leaf(void **state)
{
	struct guest *guest = inside_mapped(state, &scripted, TDP_2M, 1024);
	struct tdp_stats stats;

	inside_check_leaves(guest, AT, 1024, TDP_2M,
			    inside_value(guest, 0xee7, 0x0600000000000bf7));
	split(guest);
	inside_check_leaves(guest, AT, 1024, TDP_4K,
			    inside_value(guest, 0xe67, 0x0600000000000b77));
	stats = guest_stats(guest);
	assert_int_equal(stats.pages_4k, 1024);
	assert_int_equal(stats.pages_2m, 0);
	assert_int_equal(stats.tables, 4);
	assert_int_equal(stats.remote_tlb_flush_requests, 0);
	/* And nothing is left to be faulted in. */
	for (uint64_t gfn = AT; gfn < AT + 1024; gfn += 7)
		assert_int_equal(guest_touch(guest, gfn, TDP_WRITE), 0);
}

static void until_6_9_children_have_no_bit_63(void **state)
{
	struct guest *guest = inside_mapped(
		state, &(struct guest_config){.scripted = true, .vm.baseline = TDP_BASELINE_6_1},
		TDP_2M, 512);

	split(guest);
	inside_check_leaves(guest, AT, 512, TDP_4K, inside_value(guest, 0xe67, 0x0600000000000b77));
}

static void children_inherit_protection_and_age(void **state)
{
	struct guest *guest = inside_mapped(state, &scripted, TDP_2M, 1024);
	uint64_t accessed = inside_value(guest, 1 << 5, 1 << 8) & ~guest_nonpresent(guest);

	*guest_entry_at(guest, AT) &= ~2ULL;
	*guest_entry_at(guest, AT + 512) &= ~accessed;
	tdp_vcpu_flush_tlb(guest->vcpu);
	split(guest);
	inside_check_leaves(guest, AT, 512, TDP_4K, inside_value(guest, 0xe65, 0x0600000000000b75));
	inside_check_leaves(guest, AT + 512, 512, TDP_4K,
			    inside_value(guest, 0xe47, 0x0600000000000a77));
}

static void without_flags_of_the_cpu_children_are_as_old_as_their_leaf(void **state)
{
	struct guest *guest = inside_mapped(
		state,
		&(struct guest_config){
			.scripted = true, .vm.no_ad = true, .vm.baseline = TDP_BASELINE_6_12},
		TDP_2M, 1024);
	uint64_t *old = guest_entry_at(guest, AT + 512);

	/* R and X saved, no rights left: the values of the traces. */
	assert_int_equal(*old & ~ADDRESS, 0x86100000000008f7);
	*old = (*old & ADDRESS) | 0x87500000000008f0;
	tdp_vcpu_flush_tlb(guest->vcpu);
	split(guest);
	inside_check_leaves(guest, AT, 512, TDP_4K, 0x8610000000000877);
	for (uint64_t gfn = AT + 512; gfn < AT + 1024; gfn++)
		assert_int_equal(guest_entry_bits(guest, gfn), 0x8750000000000870);
}

/* Nothing was executed there, so a huge leaf stays allowed. */
static void children_of_an_nx_leaf_may_be_executed_and_are_on_no_list(void **state)
{
	struct guest *guest = inside_mapped(
		state, &(struct guest_config){.scripted = true, .policy.nx_huge_pages = TDP_ON},
		TDP_2M, 512);

	inside_check_leaves(guest, AT, 512, TDP_2M,
			    inside_value(guest, 0x8000000000000ee7, 0x0600000000000bf3));
	split(guest);
	inside_check_leaves(guest, AT, 512, TDP_4K, inside_value(guest, 0xe67, 0x0600000000000b77));
	assert_int_equal(guest_stats(guest).nx_lpage_splits, 0);
	assert_int_equal(guest_touch(guest, AT + 9, TDP_FETCH), 0);
}

static void a_1g_leaf_is_all_4k_after_one_pass(void **state)
{
	struct guest *guest = inside_mapped(state, &scripted, TDP_1G, 1 << 18);
	struct tdp_stats stats;

	split(guest);
	stats = guest_stats(guest);
	assert_int_equal(stats.pages_1g, 0);
	assert_int_equal(stats.pages_2m, 0);
	assert_int_equal(stats.pages_4k, 1 << 18);
	assert_int_equal(stats.tables, 2 + 512);
	assert_int_equal(stats.remote_tlb_flush_requests, 0);
	for (uint64_t gfn = AT; gfn < AT + (1 << 18); gfn += 511)
		inside_check_leaves(guest, gfn, 1, TDP_4K,
				    inside_value(guest, 0xe67, 0x0600000000000b77));
	/* Parents first, and each before the next one. */
	assert_int_equal(guest_count(guest, TDP_TRACE_SPLIT_HUGE_PAGE), 513);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPLIT_HUGE_PAGE, 0)->split.level, TDP_1G);
	for (uint64_t i = 1; i <= 512; i += 73) {
		const struct tdp_trace_event *event =
			guest_event(guest, TDP_TRACE_SPLIT_HUGE_PAGE, i);

		assert_int_equal(event->split.level, TDP_2M);
		assert_int_equal(event->split.gfn, AT + (i - 1) * 512);
	}
}

static void per_vcpu_counters_come_to_the_same(void **state)
{
	struct guest *guest = inside_mapped(
		state, &(struct guest_config){.scripted = true, .policy.stats = TDP_STATS_PERCPU},
		TDP_2M, 1024);

	split(guest);
	assert_int_equal(guest_stats(guest).pages_4k, 1024);
	assert_int_equal(guest_stats(guest).pages_2m, 0);
}

/* The events, as 6.1.192 and 6.12.117 print them (dirty_2m@eagerY) */

static void the_events_are_those_of_the_kernel(void **state)
{
	struct guest *guest = inside_mapped(state, &scripted, TDP_2M, 1024);
	uint64_t huge = guest_entry(guest, AT);
	const struct tdp_trace_event *page, *done;

	split(guest);
	guest_expect(guest, TDP_TRACE_GET_PAGE, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPLIT_HUGE_PAGE,
		     TDP_TRACE_GET_PAGE, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPLIT_HUGE_PAGE);
	page = guest_event(guest, TDP_TRACE_GET_PAGE, 0);
	assert_int_equal(page->page.gfn, AT);
	assert_int_equal(page->page.role & 0xf, TDP_4K);
	done = guest_event(guest, TDP_TRACE_SPLIT_HUGE_PAGE, 0);
	assert_int_equal(done->split.gfn, AT);
	assert_int_equal(done->split.entry, huge);
	assert_int_equal(done->split.level, TDP_2M);
	assert_int_equal(done->split.error, 0);
	assert_int_equal(done->vcpu, -1);
}

/* The range */

static void what_is_small_or_not_there_is_left_alone(void **state)
{
	struct guest *guest = inside_mapped(state, &scripted, TDP_2M, 4096);

	guest_discard(guest, 512, 512);
	guest->script.level = TDP_4K;
	guest_touch(guest, AT + 600, TDP_WRITE);
	guest_forget(guest);
	split(guest);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPLIT_HUGE_PAGE), 7);
	assert_int_equal(guest_stats(guest).pages_4k, 7 * 512 + 1);
	assert_int_equal(guest_level(guest, AT + 601), TDP_NOT_MAPPED);
	split(guest);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPLIT_HUGE_PAGE), 7);
}

static void other_slots_keep_their_huge_leaves(void **state)
{
	struct guest *guest = inside_mapped(state, &scripted, TDP_2M, 1024);

	guest_slot(guest, 2, AT + 1024, 1024, 1024);
	guest_slot(guest, 3, AT - 512, 512, 8192 - 512);
	guest_touch(guest, AT + 1024, TDP_WRITE);
	guest_touch(guest, AT - 1, TDP_WRITE);
	split(guest);
	assert_int_equal(guest_level(guest, AT), TDP_4K);
	assert_int_equal(guest_level(guest, AT + 1023), TDP_4K);
	assert_int_equal(guest_level(guest, AT + 1024), TDP_2M);
	assert_int_equal(guest_level(guest, AT - 1), TDP_2M);
}

static void a_slot_that_begins_in_the_middle_of_a_region_splits_the_whole_ones(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest->script.level = TDP_2M;
	guest_slot(guest, 1, AT + 5, 1600, 5);
	guest_touch(guest, AT + 5, TDP_WRITE);
	guest_touch(guest, AT + 512, TDP_WRITE);
	guest_touch(guest, AT + 1024, TDP_WRITE);
	guest_touch(guest, AT + 1600, TDP_WRITE);
	assert_int_equal(guest_stats(guest).pages_2m, 2);
	split(guest);
	assert_int_equal(guest_stats(guest).pages_2m, 0);
	assert_int_equal(guest_stats(guest).pages_4k, 2 + 1024);
}

static void the_other_address_space_is_another_slots(void **state)
{
	struct guest *guest = inside_mapped(state, &scripted, TDP_2M, 512);
	struct tdp_memslot smm = guest_slot_of(guest, 1, AT, 512, 0);

	smm.address_space = 1;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &smm), 0);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, true), 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_stats(guest).pages_2m, 2);
	split(guest);
	assert_int_equal(guest_stats(guest).pages_2m, 1);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, false), 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT), TDP_4K);
}

static void all_roots_of_the_address_space_are_split(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true, .vcpus = 2, .vm.levels = 5,
					 .vm.format = TDP_EPT);
	struct tdp_vcpu_config narrow = {.maxphyaddr = 40};
	struct tdp_vcpu *second;

	assert_int_equal(tdp_vcpu_create(guest->vm, &narrow, &second), 0);
	guest->script.level = TDP_2M;
	guest_slot(guest, 1, AT, 1024, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_touch_on(second, AT, TDP_WRITE);
	assert_int_equal(guest_stats(guest).pages_2m, 2);
	split(guest);
	assert_int_equal(guest_stats(guest).pages_2m, 0);
	assert_int_equal(guest_stats(guest).pages_4k, 1024);
}

/* The policy, and the slot's flag */

static void switching_the_log_on_splits_the_slot(void **state)
{
	struct guest *guest = inside_mapped(state, &scripted, TDP_2M, 1024);

	inside_log(guest, 1, true);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPLIT_HUGE_PAGE), 2);
	assert_int_equal(guest_stats(guest).pages_2m, 0);
	assert_int_equal(guest_stats(guest).pages_4k, 1024);
}

static void without_eager_splitting_leaves_stay_huge(void **state)
{
	struct guest *guest = inside_mapped(
		state, &(struct guest_config){.scripted = true, .policy.eager_split = TDP_OFF},
		TDP_2M, 1024);

	inside_log(guest, 1, true);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPLIT_HUGE_PAGE), 0);
	assert_int_equal(guest_stats(guest).pages_2m, 2);
}

/* Masks: what CLEAR protects again, in all-set mode */

static void a_mask_splits_the_leaves_that_it_touches(void **state)
{
	struct guest *guest = inside_mapped(state, &scripted, TDP_2M, 4096);

	inside_split_masked(guest, 512, 1ULL << 63 | 1);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
	assert_int_equal(guest_level(guest, AT + 512), TDP_4K);
	assert_int_equal(guest_level(guest, AT + 1024), TDP_2M);
	inside_check_leaves(guest, AT + 512, 512, TDP_4K,
			    inside_value(guest, 0xe67, 0x0600000000000b77));
	/* One page, in the middle of a leaf. */
	inside_split_masked(guest, 2048 + 64, 1 << 7);
	assert_int_equal(guest_level(guest, AT + 2048), TDP_4K);
	assert_int_equal(guest_stats(guest).pages_2m, 6);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
	guest_expect(guest, TDP_TRACE_GET_PAGE, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPLIT_HUGE_PAGE,
		     TDP_TRACE_GET_PAGE, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPLIT_HUGE_PAGE);
}

static void a_mask_splits_a_1g_leaf_down_to_its_pages_alone(void **state)
{
	struct guest *guest = inside_mapped(state, &scripted, TDP_1G, 1 << 18);

	inside_split_masked(guest, 512, ~0ULL);
	assert_int_equal(guest_stats(guest).pages_1g, 0);
	assert_int_equal(guest_stats(guest).pages_2m, 511);
	assert_int_equal(guest_stats(guest).pages_4k, 512);
	assert_int_equal(guest_level(guest, AT + 512), TDP_4K);
	/* NX or not, a child of 1G stays large. */
	inside_check_leaves(guest, AT, 512, TDP_2M, inside_value(guest, 0xee7, 0x0600000000000bf7));
}

static void a_mask_across_two_leaves_splits_both(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	/* The slot begins 32 pages before a 2M region, so a word of the log lies across. */
	guest->script.level = TDP_2M;
	guest_slot(guest, 1, AT + 480, 32 + 1024, 480);
	guest_touch(guest, AT + 512, TDP_WRITE);
	guest_touch(guest, AT + 1024, TDP_WRITE);
	inside_split_masked(guest, 512, 1ULL << 31 | 1ULL << 32);
	assert_int_equal(guest_level(guest, AT + 512), TDP_4K);
	assert_int_equal(guest_level(guest, AT + 1024), TDP_4K);
}

static void until_6_1_the_last_page_of_a_mask_was_left_out(void **state)
{
	struct guest *guest = inside_mapped(
		state, &(struct guest_config){.scripted = true, .vm.baseline = TDP_BASELINE_6_1},
		TDP_2M, 1024);

	inside_split_masked(guest, 512, 1);
	assert_int_equal(guest_stats(guest).pages_2m, 2);
	inside_split_masked(guest, 512, 3);
	assert_int_equal(guest_level(guest, AT + 512), TDP_4K);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
}

static void without_eager_splitting_a_mask_splits_nothing(void **state)
{
	struct guest *guest = inside_mapped(
		state, &(struct guest_config){.scripted = true, .policy.eager_split = TDP_OFF},
		TDP_2M, 1024);

	inside_split_masked(guest, 0, ~0ULL);
	assert_int_equal(guest_stats(guest).pages_2m, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(children_are_what_the_kernel_makes_of_a_2m_leaf),
		guest_tests(until_6_9_children_have_no_bit_63),
		guest_tests(children_inherit_protection_and_age),
		guest_test_ept(without_flags_of_the_cpu_children_are_as_old_as_their_leaf),
		guest_tests(children_of_an_nx_leaf_may_be_executed_and_are_on_no_list),
		guest_tests(a_1g_leaf_is_all_4k_after_one_pass),
		guest_test(per_vcpu_counters_come_to_the_same),
		guest_tests(the_events_are_those_of_the_kernel),
		guest_tests(what_is_small_or_not_there_is_left_alone),
		guest_test(other_slots_keep_their_huge_leaves),
		guest_test(a_slot_that_begins_in_the_middle_of_a_region_splits_the_whole_ones),
		guest_tests(the_other_address_space_is_another_slots),
		guest_test_ept(all_roots_of_the_address_space_are_split),
		guest_tests(switching_the_log_on_splits_the_slot),
		guest_test(without_eager_splitting_leaves_stay_huge),
		guest_tests(a_mask_splits_the_leaves_that_it_touches),
		guest_tests(a_mask_splits_a_1g_leaf_down_to_its_pages_alone),
		guest_test(a_mask_across_two_leaves_splits_both),
		guest_test(until_6_1_the_last_page_of_a_mask_was_left_out),
		guest_test(without_eager_splitting_a_mask_splits_nothing),
	};

	return cmocka_run_group_tests_name("mmu/eager_split", tests, NULL, NULL);
}
