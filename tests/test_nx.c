/*
 * NX huge pages: what a fetch makes of huge leaves, what the list of possible huge
 * pages counts, and what a round of recovery gives back. Entry values are those of the
 * captures in tests/conformance/traces (scenarios nx and 2m_hugetlb@nxforce).
 */
#include "support/guest.h"

#define AT     0x40000ULL  /* 1 GiB */
#define H1     0x100000ULL /* 4 GiB: the regions of nx_huge_pages_test */
#define H2     (H1 + 512)
#define H3     (H1 + 1024)
#define REGION 512ULL

#define NX_ON .vm.policy.nx_huge_pages = TDP_ON

/* pages_2m and nx_lpage_splits, as KVM's own test compares them. */
static void expect_pair(const struct guest *guest, int64_t pages_2m, int64_t splits)
{
	struct tdp_stats stats = guest_stats(guest);

	assert_int_equal(stats.pages_2m, pages_2m);
	assert_int_equal(stats.nx_lpage_splits, splits);
}

static bool executable(const struct guest *guest, uint64_t gfn)
{
	return guest_walk(guest, gfn, TDP_FETCH).outcome == TDP_WALK_DONE;
}

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

/* Values, as 6.12.117 and 6.1.192 had them */

static uint64_t nx_huge(const struct guest *guest)
{
	bool npt = guest->config.vm.format == TDP_NPT;
	uint64_t all = guest_nonpresent(guest); /* suppress-#VE, on EPT */

	return npt ? 0x8000000000000ee7 : 0x0600000000000bf3 | all;
}

static uint64_t small(const struct guest *guest)
{
	bool npt = guest->config.vm.format == TDP_NPT;

	return npt ? 0xe67 : 0x0600000000000b77 | guest_nonpresent(guest);
}

/* Written over a writable leaf, which it is until 6.12 in a child of a split: without D. */
static uint64_t small_clean(const struct guest *guest)
{
	bool npt = guest->config.vm.format == TDP_NPT;

	return npt ? 0xe27 : 0x0600000000000977 | guest_nonpresent(guest);
}

static uint64_t link(const struct guest *guest)
{
	bool npt = guest->config.vm.format == TDP_NPT;

	return npt ? 0x827 : 0x907 | guest_nonpresent(guest);
}

static struct guest *with_2m(void **state, enum tdp_baseline baseline)
{
	struct guest *guest = guest_make(state, NX_ON, .page = TDP_2M, .vm.baseline = baseline,
					 .vm.nx_recovery_ratio = 1);

	guest_slot(guest, 1, AT, 4 * REGION, 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_entry_bits(guest, AT), nx_huge(guest));
	assert_false(executable(guest, AT));
	guest_forget(guest);
	return guest;
}

static void a_fetch_splits_an_nx_leaf_as_6_12_does(void **state)
{
	struct guest *guest = with_2m(state, TDP_BASELINE_6_12);

	assert_int_equal(guest_touch(guest, AT, TDP_FETCH), 1);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_GET_PAGE,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPLIT_HUGE_PAGE, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_SET_SPTE, TDP_TRACE_FAULT_RETURN);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPTE_REQUESTED, 0)->spte_requested.level, 1);
	assert_int_equal(guest_changes(guest, 2, nx_huge(guest), link(guest)), 1);
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
	assert_int_equal(guest_changes(guest, 2, 0, link(guest)), 1);
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
	assert_int_equal(guest_changes(guest, 2, guest_nonpresent(guest), link(guest)), 1);
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
					 .vm.policy.huge_fault = huge_fault);

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
	/* What is only read may be as large as the tables there allow. */
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
					 .vm.policy.slot_zap_all = TDP_OFF);

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
			   .vm.policy.stats = TDP_STATS_PERCPU);

	guest_slot(guest, 1, AT, 2 * REGION, 0);
	guest_touch_on(guest->vcpus[0], AT, TDP_FETCH);
	guest_touch_on(guest->vcpus[1], AT + REGION, TDP_FETCH);
	expect_pair(guest, 0, 2);
	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 2);
	expect_pair(guest, 0, 0);
}

/* Rounds */

static struct guest *with_list(void **state, unsigned int regions, unsigned int ratio,
			       enum tdp_baseline baseline)
{
	struct guest *guest = guest_make(state, NX_ON, .page = TDP_2M, .vm.baseline = baseline,
					 .vm.nx_recovery_ratio = ratio);

	guest_slot(guest, 1, AT, regions * REGION, 0);
	for (unsigned int i = 0; i < regions; i++)
		guest_touch(guest, AT + i * REGION, TDP_FETCH);
	expect_pair(guest, 0, regions);
	guest_forget(guest);
	return guest;
}

static void a_round_takes_the_oldest_part_of_the_list_rounded_up(void **state)
{
	struct guest *guest = with_list(state, 7, 3, TDP_BASELINE_LATEST);
	static const unsigned int left[] = {4, 2, 1, 0, 0};
	unsigned int before = 7;

	for (unsigned int round = 0; round < 5; round++) {
		assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), before - left[round]);
		expect_pair(guest, 0, left[round]);
		before = left[round];
		for (unsigned int i = 0; i < 7; i++)
			assert_int_equal(guest_level(guest, AT + i * REGION),
					 i < 7 - before ? TDP_NOT_MAPPED : TDP_4K);
	}
}

static void a_round_is_in_the_order_that_6_12_had(void **state)
{
	struct guest *guest = with_list(state, 2, 1, TDP_BASELINE_6_12);
	const struct tdp_trace_event *event;

	guest_touch(guest, AT + 3, TDP_WRITE);
	guest_forget(guest);
	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 2);
	/* Under the exclusive lock: present children alone. One flush at the end. */
	guest_expect(guest, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_PREPARE_ZAP_PAGE,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_PREPARE_ZAP_PAGE, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_FLUSH);
	event = guest_event(guest, TDP_TRACE_SPTE_CHANGED, 0);
	assert_int_equal(event->spte_changed.gfn, AT);
	assert_int_equal(guest_changes(guest, 2, link(guest), guest_nonpresent(guest)), 2);
	assert_int_equal(guest_changes(guest, 1, small(guest), guest_frozen(guest)), 3);
}

static void under_the_shared_lock_a_round_freezes_every_entry(void **state)
{
	struct guest *guest = with_list(state, 2, 1, TDP_BASELINE_LATEST);
	size_t changes;

	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 2);
	changes = guest_changes(guest, 1, guest_nonpresent(guest), guest_frozen(guest));
	assert_int_equal(changes, 2 * 511);
	assert_int_equal(guest_changes(guest, 2, link(guest), guest_nonpresent(guest)), 2);
	assert_int_equal(guest_count(guest, TDP_TRACE_FLUSH), 1);
}

static void a_round_leaves_nothing_in_a_tlb(void **state)
{
	struct guest *guest = with_list(state, 1, 1, TDP_BASELINE_LATEST);

	assert_int_equal(guest_touch(guest, AT, TDP_READ), 0);
	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 1);
	assert_int_equal(guest_violations(guest), 0);
	assert_int_equal(guest_touch(guest, AT, TDP_READ), 1);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
}

static void a_round_with_an_empty_list_flushes_nothing(void **state)
{
	struct guest *guest = with_2m(state, TDP_BASELINE_LATEST);

	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 0);
	assert_int_equal(guest->event_count, 0);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
}

static void the_period_follows_from_the_ratio_or_is_given(void **state)
{
	static const struct {
		unsigned int ratio, given, period;
	} cases[] = {{0, 0, 60000},   {1, 0, 3600000},	{60, 0, 60000},
		     {3600, 0, 1000}, {10000, 0, 1000}, {60, 200, 200}};
	struct guest *guest = guest_make_host(state, NX_ON);

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tdp_vm_config config = guest->config.vm;
		struct tdp_vm *vm;

		config.nx_recovery_ratio = cases[i].ratio;
		config.nx_recovery_period_ms = cases[i].given;
		assert_int_equal(tdp_vm_create(guest->host, &config, &vm), 0);
		assert_int_equal(tdp_vm_nx_recovery_period(vm), cases[i].period);
		tdp_vm_destroy(vm);
	}
}

/* Address spaces: a table of SMM's tree stands for a page of SMM's slots */

static void a_table_of_smm_is_recovered_where_smm_alone_has_a_slot(void **state)
{
	struct guest *guest = with_2m(state, TDP_BASELINE_LATEST);
	struct tdp_memslot smram = guest_slot_of(guest, 2, 8 * AT, REGION, REGION);

	smram.address_space = 1;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &smram), 0);
	tdp_vcpu_set_smm(guest->vcpu, true);
	guest_touch(guest, 8 * AT, TDP_FETCH);
	expect_pair(guest, 1, 1);
	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 1);
	expect_pair(guest, 1, 0);
	guest_touch(guest, 8 * AT, TDP_READ);
	expect_pair(guest, 2, 0);
}

/* Of two slots over one gfn the tree's own counts, whichever of them is logged. */
static void the_log_of_another_address_space_does_not_matter(void **state, bool in_smm)
{
	struct guest *guest = with_2m(state, TDP_BASELINE_LATEST);
	struct tdp_memslot smram = guest_slot_of(guest, 1, AT, 4 * REGION, 0);

	smram.address_space = 1;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &smram), 0);
	tdp_vcpu_set_smm(guest->vcpu, in_smm);
	guest_touch(guest, AT + REGION, TDP_FETCH);
	expect_pair(guest, 1, 1);
	smram.address_space = !in_smm;
	smram.log_dirty = true;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &smram), 0);
	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 1);
	assert_int_equal(guest_level(guest, AT + REGION), TDP_NOT_MAPPED);
	guest_touch(guest, AT + REGION, TDP_FETCH);
	smram.log_dirty = false;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &smram), 0);
	smram.address_space = in_smm;
	smram.log_dirty = true;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &smram), 0);
	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 1);
	assert_int_equal(guest_level(guest, AT + REGION), TDP_4K);
}

static void a_table_of_smm_is_left_alone_where_smms_slot_is_logged(void **state)
{
	the_log_of_another_address_space_does_not_matter(state, true);
}

static void a_table_is_recovered_where_only_smms_slot_is_logged(void **state)
{
	the_log_of_another_address_space_does_not_matter(state, false);
}

/* Logged slots */

static struct guest *logged(void **state, enum tdp_baseline baseline)
{
	struct guest *guest = with_list(state, 2, 1, baseline);
	struct tdp_memslot slot = guest_slot_of(guest, 1, AT, 2 * REGION, 0);

	slot.log_dirty = true;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
	guest_forget(guest);
	return guest;
}

static void in_a_logged_slot_tables_leave_the_list_and_stay(void **state)
{
	struct guest *guest = logged(state, TDP_BASELINE_LATEST);
	struct tdp_memslot slot = guest_slot_of(guest, 1, AT, 2 * REGION, 0);
	uint64_t flushes = guest_stats(guest).remote_tlb_flush_requests;

	expect_pair(guest, 0, 2);
	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 2);
	expect_pair(guest, 0, 0);
	assert_int_equal(guest->event_count, 0);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, flushes);
	assert_int_equal(guest_stats(guest).tables, 4);
	/* Nothing forbids a huge leaf there any more, once logging has stopped. */
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
	guest_discard(guest, 0, 2 * REGION);
	guest_touch(guest, AT + 7, TDP_READ);
	assert_int_equal(guest_level(guest, AT + 7), TDP_2M);
}

static void in_a_logged_slot_6_1_zaps_them_all_the_same(void **state)
{
	struct guest *guest = logged(state, TDP_BASELINE_6_1);

	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 2);
	expect_pair(guest, 0, 0);
	assert_int_equal(guest_level(guest, AT), TDP_NOT_MAPPED);
	assert_int_equal(guest_stats(guest).tables, 2);
}

static void what_is_executed_while_it_is_logged_does_not_count(void **state)
{
	struct guest *guest = logged(state, TDP_BASELINE_LATEST);

	guest_discard(guest, 0, 2 * REGION);
	tdp_mmu_zap_all_fast(guest->vm);
	guest_touch(guest, AT, TDP_FETCH);
	assert_int_equal(guest_level(guest, AT), TDP_4K);
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
		guest_test(a_round_takes_the_oldest_part_of_the_list_rounded_up),
		guest_tests(a_round_is_in_the_order_that_6_12_had),
		guest_tests(under_the_shared_lock_a_round_freezes_every_entry),
		guest_tests(a_round_leaves_nothing_in_a_tlb),
		guest_test(a_round_with_an_empty_list_flushes_nothing),
		guest_test(the_period_follows_from_the_ratio_or_is_given),
		guest_test(a_table_of_smm_is_recovered_where_smm_alone_has_a_slot),
		guest_test(a_table_of_smm_is_left_alone_where_smms_slot_is_logged),
		guest_test(a_table_is_recovered_where_only_smms_slot_is_logged),
		guest_test(in_a_logged_slot_tables_leave_the_list_and_stay),
		guest_test(in_a_logged_slot_6_1_zaps_them_all_the_same),
		guest_test(what_is_executed_while_it_is_logged_does_not_count),
		guest_tests(turning_it_off_drops_the_roots_and_lets_huge_leaves_be_executed),
		guest_test(setting_what_is_set_changes_nothing),
		guest_test(a_vm_that_begins_without_it_can_be_given_it),
		guest_test(where_it_is_disabled_the_switch_drops_roots_and_no_more),
	};

	return cmocka_run_group_tests_name("nx", tests, NULL, NULL);
}
