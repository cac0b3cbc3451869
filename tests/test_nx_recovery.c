/*
 * Recovery of NX huge pages: which tables a round takes, in which order of events,
 * and which it leaves.
 */
#include "support/nx.h"

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
	assert_int_equal(guest_changes(guest, 2, table_link(guest), guest_nonpresent(guest)), 2);
	assert_int_equal(guest_changes(guest, 1, small(guest), guest_frozen(guest)), 3);
}

static void under_the_shared_lock_a_round_freezes_every_entry(void **state)
{
	struct guest *guest = with_list(state, 2, 1, TDP_BASELINE_LATEST);
	size_t changes;

	assert_int_equal(tdp_vm_recover_nx_huge_pages(guest->vm), 2);
	changes = guest_changes(guest, 1, guest_nonpresent(guest), guest_frozen(guest));
	assert_int_equal(changes, 2 * 511);
	assert_int_equal(guest_changes(guest, 2, table_link(guest), guest_nonpresent(guest)), 2);
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

/* The worker */

#define PERIOD_MS 10

struct recovery {
	struct guest *guest;
	struct tdp_flag *stop, *never;
	uint64_t rounds;
};

static int work(struct tdp_actor *self, void *arg)
{
	struct recovery *recovery = arg;

	(void)self;
	recovery->rounds = tdp_vm_nx_recovery_worker(recovery->guest->vm, recovery->stop);
	return 0;
}

/* nx_huge_pages_test, from the first fetch on: it waits five periods, too. */
static int execute_and_wait(struct tdp_actor *self, void *arg)
{
	struct recovery *recovery = arg;
	struct guest *guest = recovery->guest;
	const struct tdp_access_request request = {.address = (AT + REGION) << TDP_PAGE_SHIFT,
						   .access = TDP_FETCH};
	struct tdp_access_result result;
	int err = tdp_vcpu_access(guest->vcpu, &request, &result);

	(void)self;
	for (unsigned int periods = 0; periods < 5 || guest_stats(guest).nx_lpage_splits; periods++)
		if (tdp_flag_wait(recovery->never, PERIOD_MS * 1000000) || periods == 1000)
			err = -1;
	tdp_flag_raise(recovery->stop);
	return err;
}

static void the_worker_makes_a_round_every_period_until_it_is_stopped(void **state)
{
	struct guest *guest =
		guest_make(state, NX_ON, .page = TDP_2M, .untraced = true,
			   .vm.nx_recovery_ratio = 1, .vm.nx_recovery_period_ms = PERIOD_MS);
	struct recovery recovery = {.guest = guest};
	const struct tdp_actor_config actors[] = {
		{.name = "worker", .body = work, .arg = &recovery},
		{.name = "vcpu", .body = execute_and_wait, .arg = &recovery},
	};
	uint64_t began = tdp_clock_now(), periods;

	guest_slot(guest, 1, AT, 4 * REGION, 0);
	guest_touch(guest, AT, TDP_READ);
	assert_int_equal(tdp_flag_create(&recovery.stop), 0);
	assert_int_equal(tdp_flag_create(&recovery.never), 0);
	assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
	periods = (tdp_clock_now() - began) / (PERIOD_MS * 1000000);
	assert_in_range(recovery.rounds, 1, periods);
	expect_pair(guest, 1, 0);
	tdp_flag_destroy(recovery.stop);
	tdp_flag_destroy(recovery.never);
}

static void a_worker_that_is_stopped_before_it_begins_makes_no_round(void **state)
{
	struct guest *guest = with_list(state, 1, 1, TDP_BASELINE_LATEST);
	struct tdp_flag *stop;

	assert_int_equal(tdp_flag_create(&stop), 0);
	tdp_flag_raise(stop);
	assert_int_equal(tdp_vm_nx_recovery_worker(guest->vm, stop), 0);
	expect_pair(guest, 0, 1);
	tdp_flag_destroy(stop);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_test(a_round_takes_the_oldest_part_of_the_list_rounded_up),
		guest_tests(a_round_is_in_the_order_that_6_12_had),
		guest_tests(under_the_shared_lock_a_round_freezes_every_entry),
		guest_tests(a_round_leaves_nothing_in_a_tlb),
		guest_test(a_round_with_an_empty_list_flushes_nothing),
		guest_test(the_period_follows_from_the_ratio_or_is_given),
		guest_test(the_worker_makes_a_round_every_period_until_it_is_stopped),
		guest_test(a_worker_that_is_stopped_before_it_begins_makes_no_round),
		guest_test(a_table_of_smm_is_recovered_where_smm_alone_has_a_slot),
		guest_test(a_table_of_smm_is_left_alone_where_smms_slot_is_logged),
		guest_test(a_table_is_recovered_where_only_smms_slot_is_logged),
		guest_test(in_a_logged_slot_tables_leave_the_list_and_stay),
		guest_test(in_a_logged_slot_6_1_zaps_them_all_the_same),
		guest_test(what_is_executed_while_it_is_logged_does_not_count),
	};

	return cmocka_run_group_tests_name("nx_recovery", tests, NULL, NULL);
}
