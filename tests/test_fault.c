/*
 * The fault path: the order of its steps, what came of each fault, and what the
 * hardware finds afterwards. Values and orders are those of traces of real
 * kernels (6.1 and 6.12, NPT and EPT) or of the 7.0 cycle's code.
 */
#include "support/guest.h"

#include <errno.h>

/* RET_PF numbers of 6.12 and later. */
#define RET_RETRY    1
#define RET_EMULATE  2
#define RET_FIXED    5
#define RET_SPURIOUS 6

/* The order */

static void the_first_touch_of_a_4k_page_makes_each_table_and_then_the_leaf(void **state)
{
	struct guest *guest = guest_make(state);

	guest_slot(guest, 1, 0x40000, 16, 0);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	guest_expect(guest, TDP_TRACE_GET_PAGE, TDP_TRACE_LOAD_ROOT);
	guest_forget(guest);
	assert_int_equal(guest_touch(guest, 0x40000, TDP_WRITE), 1);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_GET_PAGE,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_GET_PAGE, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_GET_PAGE, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_SET_SPTE, TDP_TRACE_FAULT_RETURN);
	assert_int_equal(guest_fault_return(guest), RET_FIXED);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(guest_event(guest, TDP_TRACE_SPTE_CHANGED, i)->spte_changed.level,
				 4 - i);
	assert_int_equal(guest_event(guest, TDP_TRACE_GET_PAGE, 0)->page.role, 0x3783);
	assert_int_equal(guest_event(guest, TDP_TRACE_GET_PAGE, 2)->page.role, 0x3781);
}

static void a_2m_read_into_an_empty_tree_takes_two_tables_and_one_leaf(void **state)
{
	struct guest *guest = guest_make(state, .page = TDP_2M);
	const struct tdp_trace_event *event;

	guest_slot(guest, 1, 0x40000, 1024, 0);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	guest_forget(guest);
	assert_int_equal(guest_touch(guest, 0x40205, TDP_READ), 1);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_GET_PAGE,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_GET_PAGE, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SET_SPTE, TDP_TRACE_FAULT_RETURN);
	event = guest_event(guest, TDP_TRACE_SPTE_REQUESTED, 0);
	assert_int_equal(event->spte_requested.gfn, 0x40205);
	assert_int_equal(event->spte_requested.level, TDP_2M);
	assert_int_equal(event->spte_requested.pfn % 512, 5);
	event = guest_event(guest, TDP_TRACE_SET_SPTE, 0);
	assert_int_equal(event->set_spte.gfn, 0x40200);
	assert_int_equal(event->set_spte.level, TDP_2M);
	assert_true(event->set_spte.readable && event->set_spte.writable);
	assert_true(event->set_spte.executable);
	assert_int_equal(guest_level(guest, 0x40205), TDP_2M);
}

static void a_second_page_of_a_mapped_region_takes_one_leaf_and_no_table(void **state)
{
	struct guest *guest = guest_make(state);

	guest_slot(guest, 1, 0x40000, 16, 0);
	guest_touch(guest, 0x40000, TDP_WRITE);
	guest_forget(guest);
	guest_touch(guest, 0x40001, TDP_WRITE);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_SET_SPTE, TDP_TRACE_FAULT_RETURN);
	assert_int_equal(guest_stats(guest).tables, 3);
	assert_int_equal(guest_stats(guest).pages_4k, 2);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
}

static void five_level_trees_have_one_table_more(void **state)
{
	struct guest *guest = guest_make(state, .vm.levels = 5);
	uint64_t far = 1ULL << 33;

	guest_slot(guest, 1, 0, 16, 0);
	guest_slot(guest, 2, far, 16, 16);
	guest_touch(guest, 3, TDP_READ);
	assert_int_equal(guest_stats(guest).tables, 4);
	assert_int_equal(guest_event(guest, TDP_TRACE_LOAD_ROOT, 0)->load_root.level, 5);
	assert_int_equal(guest_level(guest, 3), TDP_4K);
	guest_touch(guest, far + 3, TDP_READ);
	assert_int_equal(guest_level(guest, far + 3), TDP_4K);
	assert_int_equal(guest_level(guest, far + 4), TDP_NOT_MAPPED);
}

static void the_exit_is_traced_with_its_rip_address_and_code(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_access_request request = {.access = TDP_FETCH, .rip = 0x1234};
	struct tdp_access_result result;
	const struct tdp_trace_event *event;

	request.address = 0x40001abc;
	guest_slot(guest, 1, 0x40000, 16, 0);
	assert_int_equal(tdp_vcpu_access(guest->vcpu, &request, &result), 0);
	event = guest_event(guest, TDP_TRACE_PAGE_FAULT, 0);
	assert_int_equal(event->vcpu, 0);
	assert_int_equal(event->page_fault.rip, 0x1234);
	assert_int_equal(event->page_fault.address, 0x40001abc);
	assert_int_equal(event->page_fault.error_code, 0x100000014);
	assert_int_equal(result.faults, 1);
	assert_int_equal(result.fault.error_code, 0x100000014);
}

static void ept_exits_carry_the_raw_qualification(void **state)
{
	struct guest *guest = guest_make(state);

	guest_slot(guest, 1, 0x40000, 16, 0);
	guest_touch(guest, 0x40000, TDP_WRITE);
	assert_int_equal(guest_event(guest, TDP_TRACE_PAGE_FAULT, 0)->page_fault.error_code, 0x182);
	guest_touch(guest, 0x40001, TDP_READ);
	assert_int_equal(guest_event(guest, TDP_TRACE_PAGE_FAULT, 1)->page_fault.error_code, 0x181);
	guest_touch(guest, 0x40002, TDP_FETCH);
	assert_int_equal(guest_event(guest, TDP_TRACE_PAGE_FAULT, 2)->page_fault.error_code, 0x184);
}

/* Outcomes */

static void a_fault_on_what_another_vcpu_has_mapped_is_spurious(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_fault fault = {.gpa = 0x40000000, .error_code = 0x100000006};
	enum tdp_fault_result result;

	guest_slot(guest, 1, 0x40000, 16, 0);
	guest_touch(guest, 0x40000, TDP_WRITE);
	guest_forget(guest);
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	assert_int_equal(result, TDP_FAULT_SPURIOUS);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_FAULT_RETURN);
	assert_int_equal(guest_fault_return(guest), RET_SPURIOUS);
	assert_int_equal(guest_stats(guest).pf_spurious, 1);
	guest_faults_add_up(guest);
}

static void a_fault_without_a_root_asks_for_another_entry(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_fault fault = {.gpa = 0x40000000, .error_code = 0x100000006};
	enum tdp_fault_result result;

	guest_slot(guest, 1, 0x40000, 16, 0);
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	assert_int_equal(result, TDP_FAULT_RETRY);
	assert_int_equal(guest_stats(guest).pf_taken, 0);
}

static void a_write_to_a_read_only_slot_goes_to_user_space(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_access_result result;

	guest_slot_read_only(guest, 1, 0x40000, 16, 0);
	result = guest_access(guest, 0x40000000, TDP_WRITE);
	assert_int_equal(result.outcome, TDP_ACCESS_MMIO);
	assert_int_equal(guest_fault_return(guest), RET_EMULATE);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_REQUESTED), 0);
	assert_int_equal(guest->script.resolved, 0);
	assert_int_equal(guest_level(guest, 0x40000), TDP_NOT_MAPPED);

	/* Reads are served; what is mapped refuses writes, and they end there again. */
	guest_touch(guest, 0x40000, TDP_READ);
	assert_false(guest_writable(guest, 0x40000));
	assert_int_equal(guest_access(guest, 0x40000000, TDP_WRITE).outcome, TDP_ACCESS_MMIO);
	guest_touch(guest, 0x40000, TDP_FETCH);
	assert_int_equal(guest_stats(guest).pf_emulate, 2);
	guest_faults_add_up(guest);
}

static void read_only_leaves_are_those_of_the_kernel(void **state)
{
	struct guest *guest = guest_make(state, .vm.baseline = TDP_BASELINE_6_12);
	bool ept = guest->config.vm.format == TDP_EPT;

	guest_slot_read_only(guest, 1, 0x40000, 16, 0);
	guest_touch(guest, 0x40000, TDP_READ);
	assert_int_equal(guest_entry_bits(guest, 0x40000), ept ? 0x8000000000000975 : 0x825);
}

/* Its bits would be software bits of an entry, or its writes would go to a page table. */
static void a_frame_that_is_no_data_frame_ends_the_run(void **state)
{
	static const uint64_t frames[] = {1, (uint64_t)1 << 45, (uint64_t)1 << 34};
	struct guest *guest = guest_make(state, .scripted = true);

	guest_slot(guest, 1, 0x40000, 16, 0);
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct tdp_access_result result;

		guest->script.frame = frames[i];
		guest->script.device = i == 0; /* not even a device may lie on a table */
		result = guest_access(guest, 0x40000000, TDP_WRITE);
		assert_int_equal(result.outcome, TDP_ACCESS_REFUSED);
		assert_int_equal(result.error, -EFAULT);
		assert_int_equal(guest->script.released, i + 1);
	}
	guest->script.device = false;
	guest->script.frame = 0;
	guest_touch(guest, 0x40000, TDP_WRITE);
}

static void a_page_that_the_host_refuses_ends_the_run(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_access_result result;

	guest_slot(guest, 1, 0x40000, 16, 0);
	guest->script.error = -EFAULT;
	result = guest_access(guest, 0x40000000, TDP_WRITE);
	assert_int_equal(result.outcome, TDP_ACCESS_REFUSED);
	assert_int_equal(result.error, -EFAULT);
	assert_int_equal(guest_fault_return(guest), -EFAULT);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_REQUESTED), 0);
	assert_int_equal(guest->script.released, 0);
	assert_int_equal(guest_stats(guest).errors, 1);
	guest_faults_add_up(guest);

	guest->script.error = -EHWPOISON;
	result = guest_access(guest, 0x40000000, TDP_WRITE);
	assert_int_equal(result.outcome, TDP_ACCESS_REFUSED);
	assert_int_equal(result.error, -EHWPOISON);

	/* The next attempt finds nothing left of it. */
	assert_int_equal(guest_touch(guest, 0x40000, TDP_WRITE), 1);
}

static void no_memory_for_the_page_is_an_error_of_the_call(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_access_request request = {.address = 0x40000000, .access = TDP_READ};
	struct tdp_access_result result;

	guest_slot(guest, 1, 0x40000, 16, 0);
	guest->script.error = -ENOMEM;
	assert_int_equal(tdp_vcpu_access(guest->vcpu, &request, &result), -ENOMEM);
	assert_int_equal(guest_level(guest, 0x40000), TDP_NOT_MAPPED);
	assert_int_equal(guest_touch(guest, 0x40000, TDP_READ), 1);
}

static void each_page_that_was_resolved_is_released_once(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest_slot(guest, 1, 0x40000, 16, 0);
	guest_slot_read_only(guest, 2, 0x50000, 16, 16);
	guest_touch(guest, 0x40000, TDP_READ);
	assert_int_equal(guest->script.released, 1);
	assert_int_equal(guest->script.released_writable, 1);
	guest_touch(guest, 0x50000, TDP_READ);
	assert_int_equal(guest->script.resolved, 2);
	assert_int_equal(guest->script.released, 2);
	assert_int_equal(guest->script.released_writable, 1);
}

/* Races with the host */

static void invalidate_once(struct guest *guest)
{
	guest->script.inside = NULL;
	guest_discard(guest, 0, 1);
}

static void a_page_taken_away_while_it_is_resolved_is_not_mapped(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_fault fault = {.gpa = 0x40000000, .error_code = 0x100000006};
	enum tdp_fault_result result;

	guest_slot(guest, 1, 0x40000, 16, 0);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	guest->script.inside = invalidate_once;
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	assert_int_equal(result, TDP_FAULT_RETRY);
	assert_int_equal(guest_fault_return(guest), RET_RETRY);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_REQUESTED), 0);
	assert_int_equal(guest_level(guest, 0x40000), TDP_NOT_MAPPED);
	assert_int_equal(guest->script.released, 1);
	assert_int_equal(guest->script.released_writable, 0);
	assert_int_equal(guest_stats(guest).retries, 1);
	guest_faults_add_up(guest);
}

static void the_retry_after_an_invalidation_gets_the_page(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest_slot(guest, 1, 0x40000, 16, 0);
	guest->script.inside = invalidate_once;
	assert_int_equal(guest_touch(guest, 0x40000, TDP_WRITE), 2);
	assert_int_equal(guest_stats(guest).retries, 1);
	assert_int_equal(guest_stats(guest).pf_fixed, 1);
	guest_faults_add_up(guest);
}

static void any_finished_invalidation_of_a_slot_makes_a_fault_in_flight_retry(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	/* The page that is invalidated is another one: the sequence is global. */
	guest_slot(guest, 1, 0x40000, 16, 0);
	guest->script.inside = invalidate_once;
	assert_int_equal(guest_touch(guest, 0x40007, TDP_WRITE), 2);
}

static void invalidate_elsewhere(struct guest *guest)
{
	uint64_t hva = guest->backing->hva + (1 << 20);

	guest->script.inside = NULL;
	tdp_host_invalidate_begin(guest->host, hva, hva + TDP_PAGE_SIZE);
	tdp_host_invalidate_end(guest->host, hva, hva + TDP_PAGE_SIZE);
}

static void an_invalidation_outside_all_slots_disturbs_nobody(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest_slot(guest, 1, 0x40000, 16, 0);
	guest->script.inside = invalidate_elsewhere;
	assert_int_equal(guest_touch(guest, 0x40000, TDP_WRITE), 1);
}

static void while_an_invalidation_is_open_its_pages_are_not_mapped(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	uint64_t hva = guest->backing->hva;
	struct tdp_fault inside = {.gpa = 0x40000000, .error_code = 0x100000006};
	struct tdp_fault outside = {.gpa = 0x40009000, .error_code = 0x100000006};
	enum tdp_fault_result result;

	guest_slot(guest, 1, 0x40000, 16, 0);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	tdp_host_invalidate_begin(guest->host, hva, hva + 4 * TDP_PAGE_SIZE);
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &inside, &result), 0);
	assert_int_equal(result, TDP_FAULT_RETRY);
	/* The baseline looks before it asks the host. */
	assert_int_equal(guest->script.resolved, 0);
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &outside, &result), 0);
	assert_int_equal(result, TDP_FAULT_FIXED);
	tdp_host_invalidate_end(guest->host, hva, hva + 4 * TDP_PAGE_SIZE);
	assert_int_equal(guest_touch(guest, 0x40000, TDP_WRITE), 1);
}

static void nested_invalidations_keep_their_union_closed_until_the_last_ends(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	uint64_t hva = guest->backing->hva;
	struct tdp_fault fault = {.gpa = 0x40000000, .error_code = 0x100000006};
	enum tdp_fault_result result;

	guest_slot(guest, 1, 0x40000, 16, 0);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	tdp_host_invalidate_begin(guest->host, hva, hva + TDP_PAGE_SIZE);
	tdp_host_invalidate_begin(guest->host, hva + 8 * TDP_PAGE_SIZE, hva + 9 * TDP_PAGE_SIZE);
	tdp_host_invalidate_end(guest->host, hva, hva + TDP_PAGE_SIZE);
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	assert_int_equal(result, TDP_FAULT_RETRY);
	tdp_host_invalidate_end(guest->host, hva + 8 * TDP_PAGE_SIZE, hva + 9 * TDP_PAGE_SIZE);
	assert_int_equal(guest_touch(guest, 0x40000, TDP_WRITE), 1);
}

static void a_finished_invalidation_closes_nothing_for_the_next(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	uint64_t hva = guest->backing->hva;
	struct tdp_fault fault = {.gpa = 0x40000000, .error_code = 0x100000006};
	enum tdp_fault_result result;

	guest_slot(guest, 1, 0x40000, 16, 0);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	guest_discard(guest, 0, 4);
	tdp_host_invalidate_begin(guest->host, hva + 8 * TDP_PAGE_SIZE, hva + 9 * TDP_PAGE_SIZE);
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	assert_int_equal(result, TDP_FAULT_FIXED);
	tdp_host_invalidate_end(guest->host, hva + 8 * TDP_PAGE_SIZE, hva + 9 * TDP_PAGE_SIZE);
}

/* Without the look before mmu_lock the one under it must find out. */
static void the_check_under_the_lock_alone_suffices(void **state)
{
	struct guest *guest =
		guest_make(state, .scripted = true, .policy.early_invalidation_check = TDP_OFF);
	uint64_t hva = guest->backing->hva;
	struct tdp_fault fault = {.gpa = 0x40000000, .error_code = 0x100000006};
	enum tdp_fault_result result;

	guest_slot(guest, 1, 0x40000, 16, 0);
	guest->script.inside = invalidate_once;
	assert_int_equal(guest_touch(guest, 0x40000, TDP_WRITE), 2);
	guest_discard(guest, 0, 1);

	tdp_host_invalidate_begin(guest->host, hva, hva + TDP_PAGE_SIZE);
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	assert_int_equal(result, TDP_FAULT_RETRY);
	assert_int_equal(guest_level(guest, 0x40000), TDP_NOT_MAPPED);
	tdp_host_invalidate_end(guest->host, hva, hva + TDP_PAGE_SIZE);
}

static void drop_roots_once(struct guest *guest)
{
	guest->script.inside = NULL;
	tdp_mmu_zap_all_fast(guest->vm);
}

static void a_root_dropped_while_the_page_is_resolved_gets_no_leaf(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest_slot(guest, 1, 0x40000, 16, 0);
	guest->script.inside = drop_roots_once;
	assert_int_equal(guest_touch(guest, 0x40000, TDP_WRITE), 2);
	assert_int_equal(guest_stats(guest).retries, 1);
	assert_int_equal(guest_stats(guest).pages_4k, 1);
	assert_int_equal(guest_stats(guest).tables, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(the_first_touch_of_a_4k_page_makes_each_table_and_then_the_leaf),
		guest_tests(a_2m_read_into_an_empty_tree_takes_two_tables_and_one_leaf),
		guest_tests(a_second_page_of_a_mapped_region_takes_one_leaf_and_no_table),
		guest_tests(five_level_trees_have_one_table_more),
		guest_test(the_exit_is_traced_with_its_rip_address_and_code),
		guest_test_ept(ept_exits_carry_the_raw_qualification),
		guest_test(a_fault_on_what_another_vcpu_has_mapped_is_spurious),
		guest_test(a_fault_without_a_root_asks_for_another_entry),
		guest_tests(a_write_to_a_read_only_slot_goes_to_user_space),
		guest_tests(read_only_leaves_are_those_of_the_kernel),
		guest_tests(a_frame_that_is_no_data_frame_ends_the_run),
		guest_tests(a_page_that_the_host_refuses_ends_the_run),
		guest_test(no_memory_for_the_page_is_an_error_of_the_call),
		guest_tests(each_page_that_was_resolved_is_released_once),
		guest_test(a_page_taken_away_while_it_is_resolved_is_not_mapped),
		guest_tests(the_retry_after_an_invalidation_gets_the_page),
		guest_test(any_finished_invalidation_of_a_slot_makes_a_fault_in_flight_retry),
		guest_test(an_invalidation_outside_all_slots_disturbs_nobody),
		guest_test(while_an_invalidation_is_open_its_pages_are_not_mapped),
		guest_test(nested_invalidations_keep_their_union_closed_until_the_last_ends),
		guest_test(a_finished_invalidation_closes_nothing_for_the_next),
		guest_test(the_check_under_the_lock_alone_suffices),
		guest_test(a_root_dropped_while_the_page_is_resolved_gets_no_leaf),
	};

	return cmocka_run_group_tests_name("mmu/fault", tests, NULL, NULL);
}
