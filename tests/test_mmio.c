/*
 * Holes and read-only memory as user space meets them: MMIO entries, their
 * generation, the vCPU's memory of the last one.
 */
#include "support/guest.h"

#include "mmu/lookup.h"
#include "vm/vm.h"

#define HOLE 0x60000ULL

static enum tdp_outcome meet(struct guest *guest, uint64_t gfn, enum tdp_access access)
{
	return guest_access(guest, gfn << TDP_PAGE_SHIFT, access).outcome;
}

static uint64_t mmio_entry(const struct guest *guest, uint64_t gfn, uint64_t generation)
{
	uint64_t base = guest->config.vm.format == TDP_EPT ? 0x6 : 0x0008000000000007;

	return base + (gfn << TDP_PAGE_SHIFT) + (generation << 3);
}

static void a_hole_gets_an_entry_that_remembers_the_generation(void **state)
{
	struct guest *guest = guest_make(state);
	uint64_t generation;

	guest_slot(guest, 1, 0x40000, 16, 0);
	generation = tdp_vm_memslot_generation(guest->vm);
	assert_int_equal(meet(guest, HOLE, TDP_READ), TDP_ACCESS_MMIO);
	assert_int_equal(guest_walk(guest, HOLE, TDP_READ).entry,
			 mmio_entry(guest, HOLE, generation));
	assert_int_equal(guest_walk(guest, HOLE, TDP_READ).outcome, TDP_WALK_MISCONFIG);
	assert_int_equal(guest_fault_return(guest), 2);
	assert_int_equal(guest_stats(guest).pf_mmio_spte_created, 1);
	assert_int_equal(guest_stats(guest).pf_emulate, 1);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPTE_REQUESTED, 0)->spte_requested.pfn,
			 1ULL << 63);
	assert_int_equal(guest_count(guest, TDP_TRACE_SET_SPTE), 0);
	guest_faults_add_up(guest);
}

static void the_order_at_a_hole_ends_with_the_mark_and_the_result(void **state)
{
	struct guest *guest = guest_make(state);

	guest_slot(guest, 1, 0x40000, 16, 0);
	meet(guest, HOLE, TDP_READ);
	guest_forget(guest);
	meet(guest, HOLE + 1, TDP_WRITE);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_MARK_MMIO_SPTE, TDP_TRACE_FAULT_RETURN);
	assert_int_equal(guest_event(guest, TDP_TRACE_MARK_MMIO_SPTE, 0)->mark_mmio.access,
			 guest->config.vm.format == TDP_EPT ? 6 : 7);
	assert_int_equal(guest_event(guest, TDP_TRACE_MARK_MMIO_SPTE, 0)->mark_mmio.generation,
			 tdp_vm_memslot_generation(guest->vm));
}

static void the_hole_met_last_is_answered_from_the_vcpus_memory(void **state)
{
	struct guest *guest = guest_make(state);

	meet(guest, HOLE, TDP_READ);
	guest_forget(guest);
	assert_int_equal(meet(guest, HOLE, TDP_WRITE), TDP_ACCESS_MMIO);
	assert_int_equal(guest_count(guest, TDP_TRACE_CHECK_MMIO_SPTE), 0);
	assert_int_equal(guest_count(guest, TDP_TRACE_FAULT_RETURN), 0);
	assert_int_equal(guest_stats(guest).pf_taken, 1);
}

static void another_hole_is_recognised_by_its_entry(void **state)
{
	struct guest *guest = guest_make(state);
	const struct tdp_trace_event *event;

	meet(guest, HOLE, TDP_READ);
	meet(guest, HOLE + 1, TDP_READ);
	guest_forget(guest);
	assert_int_equal(meet(guest, HOLE, TDP_READ), TDP_ACCESS_MMIO);
	event = guest_event(guest, TDP_TRACE_CHECK_MMIO_SPTE, 0);
	assert_true(event->check_mmio.valid);
	assert_int_equal(guest_count(guest, TDP_TRACE_HANDLE_MMIO_PAGE_FAULT), 1);
	assert_int_equal(guest_count(guest, TDP_TRACE_FAULT_RETURN), 0);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), 0);
	assert_int_equal(guest_stats(guest).pf_taken, 2);
}

static void a_stale_entry_is_written_anew(void **state)
{
	struct guest *guest = guest_make(state);
	const struct tdp_trace_event *event;
	uint64_t before = tdp_vm_memslot_generation(guest->vm);

	meet(guest, HOLE, TDP_READ);
	guest_slot(guest, 1, 0x40000, 16, 0);
	guest_forget(guest);
	assert_int_equal(meet(guest, HOLE, TDP_READ), TDP_ACCESS_MMIO);
	event = guest_event(guest, TDP_TRACE_CHECK_MMIO_SPTE, 0);
	assert_false(event->check_mmio.valid);
	assert_int_equal(event->check_mmio.entry_generation, before);
	assert_int_equal(event->check_mmio.vm_generation, before + 2);
	assert_int_equal(guest_entry(guest, HOLE), mmio_entry(guest, HOLE, before + 2));
	assert_int_equal(guest_count(guest, TDP_TRACE_MARK_MMIO_SPTE), 1);
	assert_int_equal(guest_stats(guest).pf_mmio_spte_created, 2);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
}

static void a_slot_over_a_hole_takes_its_entrys_place(void **state)
{
	struct guest *guest = guest_make(state, .vm.baseline = TDP_BASELINE_6_12);
	bool ept = guest->config.vm.format == TDP_EPT;

	meet(guest, HOLE, TDP_WRITE);
	guest_slot(guest, 1, HOLE, 16, 0);
	assert_int_equal(guest_touch(guest, HOLE, TDP_READ), 1);
	/* Until 6.12 an MMIO entry passed for a writable leaf: no D. */
	assert_int_equal(guest_entry_bits(guest, HOLE), ept ? 0x8600000000000977 : 0xe27);
	assert_int_equal(guest_stats(guest).pages_4k, 1);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
}

static void every_vcpu_remembers_for_itself(void **state)
{
	struct guest *guest = guest_make(state, .vcpus = 2);
	struct tdp_access_request request = {.address = HOLE << TDP_PAGE_SHIFT};
	struct tdp_access_result result;

	meet(guest, HOLE, TDP_READ);
	guest_forget(guest);
	assert_int_equal(tdp_vcpu_access(guest->vcpus[1], &request, &result), 0);
	assert_int_equal(result.outcome, TDP_ACCESS_MMIO);
	assert_int_equal(guest_count(guest, TDP_TRACE_CHECK_MMIO_SPTE), 1);
}

static void dropping_the_root_forgets_the_hole(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_registers registers;

	meet(guest, HOLE, TDP_READ);
	tdp_vcpu_registers(guest->vcpu, &registers);
	registers.cr4 |= 1 << 20; /* SMEP */
	assert_int_equal(tdp_vcpu_set_registers(guest->vcpu, &registers, TDP_CHANGE_GUEST), 0);
	guest_forget(guest);
	meet(guest, HOLE, TDP_READ);
	assert_int_equal(guest_count(guest, TDP_TRACE_CHECK_MMIO_SPTE), 1);
}

/* The slots are about to change: an entry that is right now may be wrong in a moment. */
static void while_slots_change_no_entry_is_believed(void **state)
{
	struct guest *guest = guest_make(state);
	struct memslots *slots = memslots_of(&guest->vm->memory, 0);

	meet(guest, HOLE, TDP_READ);
	meet(guest, HOLE + 1, TDP_READ);
	u64_store_release(&slots->generation, MEMSLOT_GENERATION_UPDATING);
	guest_forget(guest);
	assert_int_equal(meet(guest, HOLE, TDP_READ), TDP_ACCESS_MMIO);
	assert_int_equal(guest_count(guest, TDP_TRACE_CHECK_MMIO_SPTE), 0);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_REQUESTED), 1);
	/* Nor is the hole remembered for later. */
	assert_int_equal(meet(guest, HOLE, TDP_READ), TDP_ACCESS_MMIO);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_REQUESTED), 2);
	u64_store_release(&slots->generation, 0);
}

static void without_mmio_caching_a_hole_gets_no_entry(void **state)
{
	struct guest *guest = guest_make(state, .vm.no_mmio_caching = true);

	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(meet(guest, HOLE, TDP_READ), TDP_ACCESS_MMIO);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), 0);
	assert_int_equal(guest_stats(guest).pf_emulate, 2);
	assert_int_equal(guest_stats(guest).pf_mmio_spte_created, 0);
}

/* NPT's entry is a reserved address bit: with 52 bits of address there is none left. */
static void where_no_address_bit_is_reserved_nothing_is_cached(void **state)
{
	struct guest *guest = guest_make(state, .host.maxphyaddr = 52);
	bool cached = guest->config.vm.format == TDP_EPT;

	guest_slot(guest, 1, 0x40000, 16, 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(meet(guest, HOLE + i, TDP_READ), TDP_ACCESS_MMIO);
	assert_int_equal(guest_stats(guest).pf_mmio_spte_created, cached ? 2 : 0);
	assert_int_equal(guest_touch(guest, 0x40000, TDP_READ), 1);
}

static void beyond_the_hosts_width_nothing_is_cached(void **state)
{
	struct guest *guest = guest_make(state, .host.maxphyaddr = 40);

	assert_int_equal(meet(guest, 1ULL << 29, TDP_READ), TDP_ACCESS_MMIO);
	assert_int_equal(guest_stats(guest).pf_mmio_spte_created, 0);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), 0);
}

/* No slot can hold an address wider than the tables: its index must not lead to another's entry. */
static void beyond_the_roots_reach_nothing_is_mapped_or_met(void **state)
{
	struct guest *guest = guest_make(state, .host.maxphyaddr = 52);
	uint64_t wide = 1ULL << 36;

	guest_slot(guest, 1, 0, 16, 0);
	guest_slot(guest, 2, wide, 16, 16);
	guest_touch(guest, 3, TDP_WRITE);
	assert_int_equal(meet(guest, wide + 3, TDP_WRITE), TDP_ACCESS_MMIO);
	assert_int_equal(meet(guest, wide + 4, TDP_WRITE), TDP_ACCESS_MMIO);
	assert_int_equal(guest_level(guest, 4), TDP_NOT_MAPPED);
	assert_int_equal(tdp_mmu_mapped_level(guest->vm, 0, tdp_gfn(wide + 3)), TDP_NOT_MAPPED);
	tdp_mmu_zap_range(guest->vm, tdp_gfn(wide), 16);
	guest_slot_delete(guest, 2);
	assert_int_equal(guest_touch(guest, 3, TDP_WRITE), 1);
}

static void a_guard_against_l1tf_leaves_holes_and_slots_alone(void **state)
{
	struct guest *guest = guest_make(state, .vm.l1tf = true, .host.maxphyaddr = 40);

	guest_slot(guest, 1, 0x40000, 16, 0);
	meet(guest, HOLE, TDP_READ);
	assert_int_equal(guest_entry(guest, HOLE),
			 0x000000f800000006 + (HOLE << 12) +
				 (tdp_vm_memslot_generation(guest->vm) << 3));
	meet(guest, (1ULL << 28) - 1, TDP_READ);
	guest_touch(guest, 0x40000, TDP_READ);
	/* Bit 35 of the address is one of the guarded ones. */
	meet(guest, 1ULL << 23, TDP_READ);
	meet(guest, HOLE, TDP_READ);
	guest_forget(guest);
	meet(guest, 1ULL << 23, TDP_READ);
	assert_int_equal(guest_event(guest, TDP_TRACE_HANDLE_MMIO_PAGE_FAULT, 0)->handle_mmio.gfn,
			 1ULL << 23);
}

static void a_present_entry_with_a_reserved_bit_is_reported(void **state)
{
	struct guest *guest = guest_make(state, .host.maxphyaddr = 40);
	struct tdp_fault fault = {.gpa = 0x40000000, .error_code = 0x10000000d, .misconfig = true};
	enum tdp_fault_result result;
	uint64_t *entry;

	guest_slot(guest, 1, 0x40000, 16, 0);
	guest_touch(guest, 0x40000, TDP_WRITE);
	guest->reports = 0;
	/* Not our entry: a fault that is out of date. */
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	assert_int_equal(result, TDP_FAULT_RETRY);
	assert_int_equal(guest->reports, 0);

	entry = guest_entry_at(guest, 0x40000);
	*entry |= 1ULL << 45;
	guest_refused(guest, tdp_vcpu_fault(guest->vcpu, &fault, &result), -22);
	assert_int_equal(result, TDP_FAULT_ERROR);
	*entry &= ~(1ULL << 45);
}

static void an_exit_at_a_hole_is_to_be_emulated(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_fault fault = {.gpa = HOLE << 12, .error_code = 0x100000004};
	enum tdp_fault_result result;

	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	assert_int_equal(result, TDP_FAULT_EMULATE);
}

/* The reserved bits depend on the level, the format and the machine. */
static void reserved_bits_are_known_by_level(void **state)
{
	struct guest *guest = guest_make(state, .host.maxphyaddr = 40, .vm.max_level = TDP_2M);
	const struct mmu *mmu = &guest->vm->mmu;
	bool ept = guest->config.vm.format == TDP_EPT;
	uint64_t large = 0x80;

	assert_false(lookup_reserved(mmu, 1ULL << 39, 1));
	assert_true(lookup_reserved(mmu, 1ULL << 40, 1));
	assert_true(lookup_reserved(mmu, 1ULL << 51, 4));
	assert_false(lookup_reserved(mmu, 1ULL << 52, 1));
	assert_false(lookup_reserved(mmu, large | 1ULL << 21, 2));
	assert_true(lookup_reserved(mmu, large | 1ULL << 20, 2));
	/* PAT of a large leaf, in NPT alone. */
	assert_int_equal(lookup_reserved(mmu, large | 1ULL << 12, 2), ept);
	assert_true(lookup_reserved(mmu, large | 1ULL << 30, 3)); /* no 1G leaves */
	assert_false(lookup_reserved(mmu, 1ULL << 13, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_hole_gets_an_entry_that_remembers_the_generation),
		guest_tests(the_order_at_a_hole_ends_with_the_mark_and_the_result),
		guest_tests(the_hole_met_last_is_answered_from_the_vcpus_memory),
		guest_tests(another_hole_is_recognised_by_its_entry),
		guest_tests(a_stale_entry_is_written_anew),
		guest_tests(a_slot_over_a_hole_takes_its_entrys_place),
		guest_tests(every_vcpu_remembers_for_itself),
		guest_test(dropping_the_root_forgets_the_hole),
		guest_tests(while_slots_change_no_entry_is_believed),
		guest_tests(without_mmio_caching_a_hole_gets_no_entry),
		guest_tests(where_no_address_bit_is_reserved_nothing_is_cached),
		guest_tests(beyond_the_hosts_width_nothing_is_cached),
		guest_tests(beyond_the_roots_reach_nothing_is_mapped_or_met),
		guest_test_ept(a_guard_against_l1tf_leaves_holes_and_slots_alone),
		guest_test(an_exit_at_a_hole_is_to_be_emulated),
		guest_tests(reserved_bits_are_known_by_level),
		guest_tests(a_present_entry_with_a_reserved_bit_is_reported),
	};

	return cmocka_run_group_tests_name("mmu/mmio", tests, NULL, NULL);
}
