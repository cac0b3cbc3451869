/*
 * NX huge pages: what a fetch makes of huge leaves, what the list of possible huge
 * pages counts, and the switch. What a round of recovery gives back is in
 * test_nx_recovery.c.
 */
#include "support/nx.h"

#define H1 0x100000ULL /* 4 GiB: the regions of nx_huge_pages_test */
#define H2 (H1 + REGION)
#define H3 (H1 + 2 * REGION)

/* nx_huge_pages_test (tools/testing/selftests/kvm, 6.12) */

static struct guest *three_regions(void **state, enum tdp_baseline baseline, bool disabled)
{
	struct guest *guest =
		guest_make(state, NX_ON, .page = TDP_2M, .vm.baseline = baseline,
			   .vm.no_nx_huge_pages = disabled, .vm.nx_recovery_ratio = 1);

	guest_slot(guest, 1, H1, 3 * REGION, 0);
	return guest;
}

static void as_the_selftest_wants(void **state, enum tdp_baseline baseline)
{
	struct guest *guest = three_regions(state, baseline, false);

	expect_pair(guest, 0, 0);
	guest_touch(guest, H1, TDP_READ);
	expect_pair(guest, 1, 0);
	guest_touch(guest, H2, TDP_READ);
	expect_pair(guest, 2, 0);
	guest_touch(guest, H1, TDP_FETCH);
	expect_pair(guest, 1, 1);
	guest_touch(guest, H3, TDP_FETCH);
	expect_pair(guest, 1, 2);
	guest_touch(guest, H1, TDP_READ);
	expect_pair(guest, 1, 2);
	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 2);
	expect_pair(guest, 1, 0);
	guest_touch(guest, H3, TDP_READ);
	expect_pair(guest, 2, 0);
	guest_touch(guest, H1, TDP_READ);
	expect_pair(guest, 3, 0);
}

static void the_selftests_counts_come_out_in_latest(void **state)
{
	as_the_selftest_wants(state, TDP_BASELINE_LATEST);
}

static void the_selftests_counts_come_out_in_6_12(void **state)
{
	as_the_selftest_wants(state, TDP_BASELINE_6_12);
}

static void the_selftests_counts_come_out_in_6_1(void **state)
{
	as_the_selftest_wants(state, TDP_BASELINE_6_1);
}

static void with_the_mitigation_disabled_for_the_vm_nothing_is_split(void **state)
{
	struct guest *guest = three_regions(state, TDP_BASELINE_LATEST, true);

	expect_pair(guest, 0, 0);
	guest_touch(guest, H1, TDP_READ);
	expect_pair(guest, 1, 0);
	guest_touch(guest, H2, TDP_READ);
	expect_pair(guest, 2, 0);
	assert_int_equal(guest_touch(guest, H1, TDP_FETCH), 0);
	expect_pair(guest, 2, 0);
	guest_touch(guest, H3, TDP_FETCH);
	expect_pair(guest, 3, 0);
	guest_touch(guest, H1, TDP_READ);
	expect_pair(guest, 3, 0);
	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 0);
	expect_pair(guest, 3, 0);
	guest_touch(guest, H3, TDP_READ);
	expect_pair(guest, 3, 0);
}

/* A fetch, as 6.12.117 and 6.1.192 handle it */

static void a_fetch_splits_an_nx_leaf_as_6_12_does(void **state)
{
	struct guest *guest = with_2m(state, TDP_BASELINE_6_12);

	assert_int_equal(guest_touch(guest, AT, TDP_FETCH), 1);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_GET_PAGE,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPLIT_HUGE_PAGE, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_SET_SPTE, TDP_TRACE_FAULT_RETURN);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPTE_REQUESTED, 0)->spte_requested.level, 1);
	assert_int_equal(guest_changes(guest, 2, nx_huge(guest), table_link(guest)), 1);
	assert_int_equal(guest_changes(guest, 1, small(guest), small_clean(guest)), 1);
	/* All of them, not only the one that was asked for. */
	for (uint64_t i = 1; i < REGION; i++)
		assert_int_equal(guest_entry_bits(guest, AT + i), small(guest));
	assert_int_equal(guest_touch(guest, AT + 1, TDP_FETCH), 0);
	assert_int_equal(guest_stats(guest).pages_4k, 512);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
}

static void a_fetch_zaps_an_nx_leaf_as_6_1_does(void **state)
{
	struct guest *guest = with_2m(state, TDP_BASELINE_6_1);

	assert_int_equal(guest_touch(guest, AT, TDP_FETCH), 1);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_FLUSH, TDP_TRACE_GET_PAGE, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SET_SPTE, TDP_TRACE_FAULT_RETURN);
	assert_int_equal(guest_changes(guest, 2, nx_huge(guest), guest_frozen(guest)), 1);
	assert_int_equal(guest_changes(guest, 2, 0, table_link(guest)), 1);
	assert_int_equal(guest_changes(guest, 1, 0, small(guest)), 1);
	/* Each further page is a fault of its own, whatever the access. */
	assert_int_equal(guest_touch(guest, AT + 1, TDP_FETCH), 1);
	assert_int_equal(guest_touch(guest, AT + 2, TDP_WRITE), 1);
	assert_int_equal(guest_touch(guest, AT + 2, TDP_FETCH), 0);
	assert_int_equal(guest_level(guest, AT + 2), TDP_4K);
	expect_pair(guest, 0, 1);
}

static void a_fetch_where_nothing_is_mapped_maps_one_small_page(void **state)
{
	struct guest *guest = with_2m(state, TDP_BASELINE_LATEST);

	assert_int_equal(guest_touch(guest, AT + 2 * REGION, TDP_FETCH), 1);
	assert_int_equal(guest_changes(guest, 2, guest_nonpresent(guest), table_link(guest)), 1);
	assert_int_equal(guest_entry_bits(guest, AT + 2 * REGION), small(guest));
	assert_int_equal(guest_level(guest, AT + 2 * REGION + 1), TDP_NOT_MAPPED);
	/* A write asks for 2M there and is given 4K, executable too. */
	guest_forget(guest);
	guest_touch(guest, AT + 2 * REGION + 9, TDP_WRITE);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPTE_REQUESTED, 0)->spte_requested.level, 2);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), 1);
	assert_int_equal(guest_entry_bits(guest, AT + 2 * REGION + 9), small(guest));
	expect_pair(guest, 1, 1);
}

/* 1G: the formula of section 4.7 of the rules */

static struct guest *with_1g(void **state, enum tdp_huge_fault_policy huge_fault)
{
	struct guest *guest = guest_make(state, NX_ON, .page = TDP_1G, .vm.nx_recovery_ratio = 1,
					 .policy.huge_fault = huge_fault);

	guest_slot(guest, 1, AT, 1 << 18, 0);
	guest_touch(guest, AT + 5, TDP_READ);
	assert_int_equal(guest_level(guest, AT + 5), TDP_1G);
	assert_false(executable(guest, AT + 5));
	return guest;
}

static void a_fetch_in_a_1g_leaf_splits_twice_in_one_fault(void **state)
{
	struct guest *guest = with_1g(state, TDP_HUGE_FAULT_SPLIT);

	assert_int_equal(guest_touch(guest, AT + 3 * REGION + 7, TDP_FETCH), 1);
	for (uint64_t region = 0; region < 512; region++) {
		uint64_t gfn = AT + region * REGION;

		assert_int_equal(guest_level(guest, gfn), region == 3 ? TDP_4K : TDP_2M);
		assert_int_equal(executable(guest, gfn), region == 3);
	}
	for (uint64_t i = 0; i < REGION; i++)
		assert_int_equal(guest_touch(guest, AT + 3 * REGION + i, TDP_FETCH), 0);
	/* Both tables stand where a huge leaf was possible. */
	expect_pair(guest, 511, 2);
	for (uint64_t region = 4; region < 14; region++)
		assert_int_equal(guest_touch(guest, AT + region * REGION + 11, TDP_FETCH), 1);
	expect_pair(guest, 501, 12);
	assert_int_equal(guest_stats(guest).pages_4k, 11 * 512);
	assert_int_equal(guest_stats(guest).pf_taken, 12);
}

static void where_huge_leaves_are_zapped_each_page_is_a_fault(void **state)
{
	struct guest *guest = with_1g(state, TDP_HUGE_FAULT_ZAP);

	for (uint64_t i = 0; i < 3 * REGION; i++)
		assert_int_equal(guest_touch(guest, AT + i, TDP_FETCH), 1);
	assert_int_equal(guest_stats(guest).pages_4k, 3 * 512);
	expect_pair(guest, 0, 4);
	/* Memory that is only read may be mapped as large as the tables there allow. */
	guest_touch(guest, AT + 3 * REGION + 5, TDP_READ);
	assert_int_equal(guest_level(guest, AT + 3 * REGION + 5), TDP_2M);
	assert_int_equal(guest_walk(guest, AT + 3 * REGION + 5, TDP_READ).pfn.n,
			 guest_walk(guest, AT, TDP_READ).pfn.n + 3 * REGION + 5);
	expect_pair(guest, 1, 4);
}

static void recovering_a_table_takes_those_below_with_it(void **state)
{
	struct guest *guest = with_1g(state, TDP_HUGE_FAULT_SPLIT);

	guest_touch(guest, AT, TDP_FETCH);
	guest_touch(guest, AT + REGION, TDP_FETCH);
	expect_pair(guest, 510, 3);
	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 1);
	expect_pair(guest, 0, 0);
	assert_int_equal(guest_stats(guest).tables, 1);
	guest_touch(guest, AT + REGION, TDP_READ);
	assert_int_equal(guest_level(guest, AT + REGION), TDP_1G);
}

/* The list */

static void a_table_counts_only_where_a_huge_page_was_possible(void **state)
{
	struct guest *guest = guest_make(state, NX_ON, .scripted = true);

	guest_slot(guest, 1, AT, 1 << 18, 0);
	guest_touch(guest, AT, TDP_FETCH);
	expect_pair(guest, 0, 0);
	/* The host maps 2M by now: what was executed stays small all the same. */
	guest->script.level = TDP_2M;
	guest_touch(guest, AT + 1, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT + 1), TDP_4K);
	guest_touch(guest, AT + REGION, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT + REGION), TDP_2M);
	expect_pair(guest, 1, 0);
}

static void a_table_leaves_the_list_however_it_ends(void **state)
{
	struct guest *guest = with_2m(state, TDP_BASELINE_LATEST);

	for (uint64_t region = 0; region < 4; region++)
		guest_touch(guest, AT + region * REGION, TDP_FETCH);
	expect_pair(guest, 0, 4);
	guest_discard(guest, 0, 4 * REGION); /* leaves go, tables stay */
	expect_pair(guest, 0, 4);
	assert_int_equal(guest_violations(guest), 0);
	tdp_mmu_zap_all_fast(guest->vm);
	expect_pair(guest, 0, 0);
	guest_touch(guest, AT, TDP_FETCH);
	expect_pair(guest, 0, 1);
	guest_slot_delete(guest, 1);
	expect_pair(guest, 0, 0);
}

static void a_deleted_slots_tables_are_recovered_too(void **state)
{
	struct guest *guest = guest_make(state, NX_ON, .page = TDP_2M, .vm.nx_recovery_ratio = 1,
					 .policy.slot_zap_all = TDP_OFF);

	guest_slot(guest, 1, AT, REGION, 0);
	guest_touch(guest, AT, TDP_FETCH);
	guest_slot_delete(guest, 1); /* its leaves alone */
	expect_pair(guest, 0, 1);
	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 1);
	expect_pair(guest, 0, 0);
	assert_int_equal(guest_stats(guest).tables, 2);
}

static void percpu_statistics_count_splits_too(void **state)
{
	struct guest *guest =
		guest_make(state, NX_ON, .page = TDP_2M, .vcpus = 2, .vm.nx_recovery_ratio = 1,
			   .policy.stats = TDP_STATS_PERCPU);

	guest_slot(guest, 1, AT, 2 * REGION, 0);
	guest_touch_on(guest->vcpus[0], AT, TDP_FETCH);
	guest_touch_on(guest->vcpus[1], AT + REGION, TDP_FETCH);
	expect_pair(guest, 0, 2);
	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 2);
	expect_pair(guest, 0, 0);
}

/* The switch */

static void turning_it_off_drops_the_roots_and_lets_huge_leaves_be_executed(void **state)
{
	struct guest *guest = with_2m(state, TDP_BASELINE_6_12);

	guest_touch(guest, AT, TDP_FETCH);
	guest_touch(guest, AT + REGION, TDP_READ);
	expect_pair(guest, 1, 1);
	guest_forget(guest);
	tdp_vm_set_nx_huge_pages(guest->vm, false);
	assert_int_equal(guest_count(guest, TDP_TRACE_ZAP_ALL_FAST), 1);
	expect_pair(guest, 0, 0);
	assert_int_equal(guest_violations(guest), 0);
	guest_touch(guest, AT, TDP_FETCH);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
	assert_true(executable(guest, AT));
	expect_pair(guest, 1, 0);
	tdp_vm_set_nx_huge_pages(guest->vm, true);
	assert_int_equal(guest_count(guest, TDP_TRACE_ZAP_ALL_FAST), 2);
	guest_touch(guest, AT, TDP_READ);
	assert_false(executable(guest, AT));
	expect_pair(guest, 1, 0);
}

static void setting_what_is_set_changes_nothing(void **state)
{
	struct guest *guest = with_2m(state, TDP_BASELINE_LATEST);

	tdp_vm_set_nx_huge_pages(guest->vm, true);
	assert_int_equal(guest->event_count, 0);
	expect_pair(guest, 1, 0);
}

static void a_vm_that_begins_without_it_can_be_given_it(void **state)
{
	struct guest *guest = guest_make(state, .page = TDP_2M);

	guest_slot(guest, 1, AT, REGION, 0);
	guest_touch(guest, AT, TDP_FETCH);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
	tdp_vm_set_nx_huge_pages(guest->vm, true);
	guest_touch(guest, AT, TDP_FETCH);
	assert_int_equal(guest_level(guest, AT), TDP_4K);
	expect_pair(guest, 0, 1);
}

static void where_it_is_disabled_the_switch_drops_roots_and_no_more(void **state)
{
	struct guest *guest = three_regions(state, TDP_BASELINE_LATEST, true);

	guest_touch(guest, H1, TDP_FETCH);
	tdp_vm_set_nx_huge_pages(guest->vm, false);
	assert_int_equal(guest_count(guest, TDP_TRACE_ZAP_ALL_FAST), 1);
	tdp_vm_set_nx_huge_pages(guest->vm, true);
	assert_int_equal(guest_count(guest, TDP_TRACE_ZAP_ALL_FAST), 2);
	guest_touch(guest, H1, TDP_FETCH);
	expect_pair(guest, 1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(the_selftests_counts_come_out_in_latest),
		guest_tests(the_selftests_counts_come_out_in_6_12),
		guest_tests(the_selftests_counts_come_out_in_6_1),
		guest_tests(with_the_mitigation_disabled_for_the_vm_nothing_is_split),
		guest_tests(a_fetch_splits_an_nx_leaf_as_6_12_does),
		guest_tests(a_fetch_zaps_an_nx_leaf_as_6_1_does),
		guest_tests(a_fetch_where_nothing_is_mapped_maps_one_small_page),
		guest_tests(a_fetch_in_a_1g_leaf_splits_twice_in_one_fault),
		guest_tests(where_huge_leaves_are_zapped_each_page_is_a_fault),
		guest_tests(recovering_a_table_takes_those_below_with_it),
		guest_test(a_table_counts_only_where_a_huge_page_was_possible),
		guest_test(a_table_leaves_the_list_however_it_ends),
		guest_test(a_deleted_slots_tables_are_recovered_too),
		guest_test(percpu_statistics_count_splits_too),
		guest_tests(turning_it_off_drops_the_roots_and_lets_huge_leaves_be_executed),
		guest_test(setting_what_is_set_changes_nothing),
		guest_test(a_vm_that_begins_without_it_can_be_given_it),
		guest_test(where_it_is_disabled_the_switch_drops_roots_and_no_more),
	};

	return cmocka_run_group_tests_name("nx", tests, NULL, NULL);
}
