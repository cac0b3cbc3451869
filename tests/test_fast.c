/*
 * Fast page faults: rights that an entry remembers come back by one exchange,
 * without mmu_lock, without the host and without a flush. Entries are changed
 * behind the library's back to what dirty logging and ageing make of them.
 */
#include "support/guest.h"

#include "vm/vm.h"

#define AT 0x40000ULL

/* Write-protects the leaf as dirty logging does; the bits that are left say it may come back. */
static void protect(struct guest *guest, uint64_t gfn)
{
	*guest_entry_at(guest, gfn) &= ~2ULL;
	tdp_vcpu_flush_tlb(guest->vcpu);
	guest_forget(guest);
}

static struct guest *touched(void **state, const struct guest_config *config)
{
	struct guest *guest = guest_make_as(state, config);

	guest_slot(guest, 1, AT, 1024, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_forget(guest);
	return guest;
}

static const struct guest_config scripted = {.scripted = true};

static void a_write_gets_its_right_back_without_the_lock(void **state)
{
	struct guest *guest = touched(state, &scripted);
	const struct tdp_trace_event *event;
	uint64_t before = guest_entry(guest, AT);

	protect(guest, AT);
	assert_false(guest_writable(guest, AT));
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 1);
	/* The mark is for the slot to drop: it has no log. */
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_MARK_DIRTY, TDP_TRACE_FAST_PAGE_FAULT,
		     TDP_TRACE_FAULT_RETURN);
	event = guest_event(guest, TDP_TRACE_FAST_PAGE_FAULT, 0);
	assert_true(event->fast_page_fault.fixed);
	assert_false(event->fast_page_fault.spurious);
	assert_int_equal(event->fast_page_fault.old_entry, before & ~2ULL);
	assert_int_equal(event->fast_page_fault.new_entry, before);
	assert_int_equal(event->fast_page_fault.result, 5);
	assert_int_equal(guest_entry(guest, AT), before);
	assert_int_equal(guest->script.resolved, 1);
	assert_int_equal(guest_stats(guest).pf_fast, 1);
	assert_int_equal(guest_stats(guest).pf_fixed, 2);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
	guest_faults_add_up(guest);
}

static void the_exit_of_a_protected_page_says_present(void **state)
{
	struct guest *guest = touched(state, &scripted);
	bool ept = guest->config.vm.format == TDP_EPT;

	protect(guest, AT);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_event(guest, TDP_TRACE_PAGE_FAULT, 0)->page_fault.error_code,
			 ept ? 0x1aa : 0x100000007);
	/* PFERR bits, whatever the vendor. */
	assert_int_equal(
		guest_event(guest, TDP_TRACE_FAST_PAGE_FAULT, 0)->fast_page_fault.error_code,
		ept ? 0x100000003 : 0x100000007);
}

static void any_right_that_an_entry_has_makes_a_violation_present(void **state)
{
	struct guest *guest = touched(state, &scripted);

	/* A write to an entry with R, W or X alone: each takes the fast page fault. */
	for (unsigned int bit = 3; bit <= 5; bit++) {
		struct tdp_fault fault = {.gpa = AT << 12, .error_code = 0x182 | 1U << bit};
		enum tdp_fault_result result;

		guest_forget(guest);
		assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
		assert_int_equal(guest_count(guest, TDP_TRACE_FAST_PAGE_FAULT), 1);
	}
}

static void what_is_writable_already_is_spurious(void **state)
{
	struct guest *guest = touched(state, &scripted);
	struct tdp_fault fault = {.gpa = AT << 12, .error_code = 0x100000007};
	enum tdp_fault_result result;

	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	assert_int_equal(result, TDP_FAULT_SPURIOUS);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_FAST_PAGE_FAULT,
		     TDP_TRACE_FAULT_RETURN);
	assert_true(guest_event(guest, TDP_TRACE_FAST_PAGE_FAULT, 0)->fast_page_fault.spurious);
	assert_int_equal(guest_stats(guest).pf_fast, 1);
	assert_int_equal(guest_stats(guest).pf_spurious, 1);
}

static void a_right_that_was_never_there_does_not_come(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest_slot_read_only(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_READ);
	guest_forget(guest);
	assert_int_equal(guest_access(guest, AT << 12, TDP_WRITE).outcome, TDP_ACCESS_MMIO);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_FAST_PAGE_FAULT,
		     TDP_TRACE_FAULT_RETURN);
	assert_false(guest_event(guest, TDP_TRACE_FAST_PAGE_FAULT, 0)->fast_page_fault.fixed);
	assert_int_equal(guest_stats(guest).pf_fast, 0);
	assert_false(guest_writable(guest, AT));
}

/* Protected for good: MMU-writable is gone too, the full path decides. */
static void without_mmu_writable_the_full_path_is_taken(void **state)
{
	struct guest *guest = touched(state, &scripted);
	uint64_t mmu_writable = guest->config.vm.format == TDP_EPT ? 1ULL << 58 : 1ULL << 10;

	*guest_entry_at(guest, AT) &= ~mmu_writable;
	protect(guest, AT);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 1);
	assert_int_equal(guest_count(guest, TDP_TRACE_FAST_PAGE_FAULT), 1);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_REQUESTED), 1);
	assert_int_equal(guest->script.resolved, 2);
}

static void a_hole_or_a_read_is_not_tried(void **state)
{
	struct guest *guest = touched(state, &scripted);

	guest_touch(guest, AT + 1, TDP_WRITE);
	guest_touch(guest, AT + 2, TDP_READ);
	assert_int_equal(guest_count(guest, TDP_TRACE_FAST_PAGE_FAULT), 0);
	assert_int_equal(guest_stats(guest).pf_fast, 0);
}

static void the_dirty_flag_is_left_to_the_hardware(void **state)
{
	struct guest *guest = touched(state, &scripted);
	struct tdp_fault fault = {.gpa = AT << 12, .error_code = 0x100000007};
	enum tdp_fault_result result;

	*guest_entry_at(guest, AT) &= ~0x40ULL;
	protect(guest, AT);
	assert_int_equal(guest_entry_bits(guest, AT), 0xe25);
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	assert_int_equal(result, TDP_FAULT_FIXED);
	assert_int_equal(guest_entry_bits(guest, AT), 0xe27);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_entry_bits(guest, AT), 0xe67);
}

static void a_huge_leaf_is_repaired_as_it_is(void **state)
{
	struct guest *guest = touched(state, &(struct guest_config){.page = TDP_2M});

	protect(guest, AT);
	assert_int_equal(guest_touch(guest, AT + 5, TDP_WRITE), 1);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
	assert_int_equal(guest_stats(guest).pf_fast, 1);
}

/* Without A/D flags an old page has no rights at all */

static void an_old_page_is_young_again_with_its_first_touch(void **state)
{
	struct guest *guest = touched(state, &(struct guest_config){
						     .vm.no_ad = true,
						     .vm.baseline = TDP_BASELINE_6_12,
					     });

	assert_int_equal(guest_entry_bits(guest, AT), 0x8610000000000877);
	*guest_entry_at(guest, AT) =
		spte_to_tracked(&guest->vm->mmu.encoding, guest_entry(guest, AT));
	tdp_vcpu_flush_tlb(guest->vcpu);
	assert_int_equal(guest_walk(guest, AT, TDP_READ).outcome, TDP_WALK_VIOLATION);
	guest_forget(guest);

	/* A read brings back R and X; W waits for a write. */
	assert_int_equal(guest_touch(guest, AT, TDP_READ), 1);
	assert_int_equal(guest_entry_bits(guest, AT), 0x8610000000000875);
	assert_int_equal(guest_touch(guest, AT, TDP_FETCH), 0);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 1);
	assert_int_equal(guest_entry_bits(guest, AT), 0x8610000000000877);
	assert_int_equal(guest_stats(guest).pf_fast, 2);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), 0);
}

static void a_write_makes_it_young_and_writable_at_once(void **state)
{
	struct guest *guest = touched(state, &(struct guest_config){
						     .vm.no_ad = true,
						     .vm.baseline = TDP_BASELINE_6_12,
					     });

	*guest_entry_at(guest, AT) =
		spte_to_tracked(&guest->vm->mmu.encoding, guest_entry(guest, AT));
	tdp_vcpu_flush_tlb(guest->vcpu);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 1);
	assert_int_equal(guest_entry_bits(guest, AT), 0x8610000000000877);
}

static void without_flags_every_fault_is_tried_first(void **state)
{
	struct guest *guest = touched(state, &(struct guest_config){.vm.no_ad = true});

	guest_touch(guest, AT + 1, TDP_READ);
	assert_int_equal(guest_count(guest, TDP_TRACE_FAST_PAGE_FAULT), 1);
	assert_false(guest_event(guest, TDP_TRACE_FAST_PAGE_FAULT, 0)->fast_page_fault.fixed);
	assert_int_equal(guest_stats(guest).pf_fast, 0);
}

static void the_6_1_kernel_numbers_its_results_one_less(void **state)
{
	struct guest *guest =
		touched(state, &(struct guest_config){.vm.baseline = TDP_BASELINE_6_1});

	protect(guest, AT);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_fault_return(guest), 4);
	assert_true(guest_event(guest, TDP_TRACE_FAST_PAGE_FAULT, 0)->fast_page_fault.narrow);
	assert_int_equal(guest_event(guest, TDP_TRACE_FAST_PAGE_FAULT, 0)->fast_page_fault.result,
			 4);
}

/* RET_PF_FIXED, where there was neither CONTINUE nor WRITE_PROTECTED. */
static void the_5_13_kernel_numbers_them_from_0(void **state)
{
	struct guest *guest =
		touched(state, &(struct guest_config){.vm.baseline = TDP_BASELINE_5_13});

	protect(guest, AT);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_fault_return(guest), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_write_gets_its_right_back_without_the_lock),
		guest_tests(the_exit_of_a_protected_page_says_present),
		guest_test_ept(any_right_that_an_entry_has_makes_a_violation_present),
		guest_test(what_is_writable_already_is_spurious),
		guest_tests(a_right_that_was_never_there_does_not_come),
		guest_tests(without_mmu_writable_the_full_path_is_taken),
		guest_tests(a_hole_or_a_read_is_not_tried),
		guest_test(the_dirty_flag_is_left_to_the_hardware),
		guest_tests(a_huge_leaf_is_repaired_as_it_is),
		guest_test_ept(an_old_page_is_young_again_with_its_first_touch),
		guest_test_ept(a_write_makes_it_young_and_writable_at_once),
		guest_test_ept(without_flags_every_fault_is_tried_first),
		guest_tests(the_6_1_kernel_numbers_its_results_one_less),
		guest_tests(the_5_13_kernel_numbers_them_from_0),
	};

	return cmocka_run_group_tests_name("mmu/fast", tests, NULL, NULL);
}
