/*
 * The dirty log by the CPU's own log (PML): dirty flags are cleared, no write faults, and a reader
 * finds the pages that the CPU has logged.
 */
#include "support/logged.h"

#include "vm/vm.h"

#define D_BIT	    (1ULL << 9)
#define W_BIT	    (1ULL << 1)
#define PML_ENTRIES 512

static struct guest *guest_of(void **state, enum tdp_level page, enum tdp_baseline baseline)
{
	return guest_make(state, .page = page, .vcpus = 2, .vm.baseline = baseline,
			  .policy.eager_split = TDP_OFF);
}

/* Every page of the slot is mapped, then logged. */
static struct guest *logged(void **state)
{
	struct guest *guest = guest_of(state, TDP_4K, TDP_BASELINE_LATEST);

	guest_slot(guest, 1, AT, PAGES, 0);
	for (unsigned int i = 0; i < 1024; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	slot_logged(guest, true);
	guest_forget(guest);
	return guest;
}

static size_t marks(const struct guest *guest)
{
	return guest_count(guest, TDP_TRACE_MARK_DIRTY);
}

static void logging_clears_dirty_flags_and_flushes_once(void **state)
{
	struct guest *guest = guest_of(state, TDP_4K, TDP_BASELINE_LATEST);
	uint64_t before;

	guest_slot(guest, 1, AT, PAGES, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_touch(guest, AT + 1, TDP_WRITE);
	before = guest_entry_bits(guest, AT);
	guest_forget(guest);
	slot_logged(guest, true);
	assert_int_equal(guest_changes(guest, TDP_4K, before, before & ~D_BIT), 2);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), 2);
	assert_int_equal(flushes(guest), 1);
	assert_int_equal(guest->events[guest->event_count - 1].kind, TDP_TRACE_FLUSH);
}

static void huge_leaves_lose_the_right_to_write_too(void **state)
{
	struct guest *guest = guest_of(state, TDP_2M, TDP_BASELINE_LATEST);
	uint64_t before;

	guest_slot(guest, 1, AT, PAGES, 0);
	guest_touch(guest, AT, TDP_WRITE);
	before = guest_entry_bits(guest, AT);
	guest_forget(guest);
	slot_logged(guest, true);
	/* Two passes, as in the kernel. */
	assert_int_equal(guest_changes(guest, TDP_2M, before, before & ~D_BIT), 1);
	assert_int_equal(guest_changes(guest, TDP_2M, before & ~D_BIT, before & ~D_BIT & ~W_BIT),
			 1);
	assert_int_equal(flushes(guest), 1);
	guest_touch(guest, AT + 5, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT + 5), TDP_4K);
	log_expect(guest, 5);
}

/* P4 of protect.h: a huge leaf is written, and split to be executed, between the passes. */
static void write_and_fetch(struct guest *guest, const struct tdp_trace_event *event)
{
	if (event->kind != TDP_TRACE_SPTE_CHANGED)
		return;
	guest->on_event = NULL;
	guest_touch_on(guest->vcpus[1], AT + 5, TDP_WRITE);
	guest_touch_on(guest->vcpus[1], AT + 9, TDP_FETCH);
}

static void parts_of_a_leaf_written_between_the_passes_are_noticed(void **state)
{
	struct guest *guest =
		guest_make(state, .page = TDP_2M, .vcpus = 2,
			   .policy = {.eager_split = TDP_OFF, .nx_huge_pages = TDP_ON});

	guest_slot(guest, 1, AT, PAGES, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_touch(guest, AT + 512, TDP_WRITE);
	guest->on_event = write_and_fetch;
	slot_logged(guest, true);
	assert_null(guest->on_event);
	assert_int_equal(guest_level(guest, AT + 7), TDP_4K);
	guest_touch(guest, AT + 7, TDP_WRITE);
	log_expect(guest, 5, 7);
}

static void a_write_takes_no_fault_and_is_reported(void **state)
{
	struct guest *guest = logged(state);

	assert_int_equal(guest_touch(guest, AT + 7, TDP_WRITE), 0);
	assert_int_equal(guest_touch(guest, AT + 8, TDP_READ), 0);
	assert_int_equal(guest_touch(guest, AT + 9, TDP_WRITE), 0);
	log_expect(guest, 7, 9);
	assert_true(guest_entry(guest, AT + 7) & W_BIT);
	assert_false(guest_entry(guest, AT + 7) & D_BIT);
	log_expect_none(guest);
}

static void a_write_is_logged_once_until_it_is_reported(void **state)
{
	struct guest *guest = logged(state);

	guest_touch(guest, AT + 7, TDP_WRITE);
	guest_touch(guest, AT + 7, TDP_WRITE);
	tdp_vcpu_flush_tlb(guest->vcpu);
	guest_touch(guest, AT + 7, TDP_WRITE);
	guest_touch_on(guest->vcpus[1], AT + 7, TDP_WRITE);
	log_expect(guest, 7);
	assert_int_equal(marks(guest), 1);
	/* The report flushed: no TLB remembers that the flag was set. */
	guest_touch_on(guest->vcpus[1], AT + 7, TDP_WRITE);
	guest_touch(guest, AT + 7, TDP_WRITE);
	log_expect(guest, 7);
	assert_int_equal(marks(guest), 2);
}

/* A clean translation in the TLB must not hide the first write. */
static void a_write_after_a_read_is_logged(void **state)
{
	struct guest *guest = logged(state);

	guest_touch(guest, AT + 7, TDP_READ);
	guest_touch(guest, AT + 7, TDP_WRITE);
	log_expect(guest, 7);
}

static void what_is_logged_is_marked_at_the_next_exit(void **state)
{
	struct guest *guest = logged(state);
	uint64_t exits = guest_stats(guest).exits;

	guest_touch(guest, AT + 7, TDP_WRITE);
	assert_int_equal(guest->event_count, 0);
	tdp_vcpu_exit(guest->vcpu);
	guest_expect(guest, TDP_TRACE_MARK_DIRTY);
	assert_int_equal(guest_stats(guest).exits, exits + 1);
	guest_touch(guest, AT + 8, TDP_WRITE);
	guest_forget(guest);
	guest_touch(guest, AT + 2000, TDP_READ); /* a hole */
	assert_int_equal(guest->events[0].kind, TDP_TRACE_MARK_DIRTY);
	assert_int_equal(guest->events[0].mark_dirty.gfn, AT + 8);
	assert_int_equal(guest->events[1].kind, TDP_TRACE_PAGE_FAULT);
}

static void a_full_log_makes_the_next_write_exit(void **state)
{
	struct guest *guest = logged(state);
	uint64_t exits = guest_stats(guest).exits, taken = guest_stats(guest).pf_taken;
	uint64_t bitmap[WORDS];

	for (unsigned int i = 0; i < PML_ENTRIES; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	assert_int_equal(marks(guest), 0);
	assert_int_equal(guest_touch(guest, AT + PML_ENTRIES, TDP_WRITE), 0);
	assert_int_equal(marks(guest), PML_ENTRIES);
	assert_int_equal(guest_stats(guest).exits, exits + 1);
	assert_int_equal(guest_stats(guest).pf_taken, taken);
	assert_int_equal(log_read(guest, bitmap), PML_ENTRIES + 1);
}

/* A write that sets no flag needs no room. */
static void a_full_log_stops_nothing_else(void **state)
{
	struct guest *guest = logged(state);
	uint64_t exits = guest_stats(guest).exits;

	for (unsigned int i = 0; i < PML_ENTRIES; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	guest_touch(guest, AT + PML_ENTRIES, TDP_READ);
	tdp_vcpu_flush_tlb(guest->vcpu);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_stats(guest).exits, exits);
	assert_int_equal(marks(guest), 0);
}

static void a_reader_finds_what_a_resting_vcpu_has_logged(void **state)
{
	struct guest *guest = logged(state);

	guest_touch_on(guest->vcpus[1], AT + 7, TDP_WRITE);
	guest_touch(guest, AT + 8, TDP_WRITE);
	log_expect(guest, 7, 8);
}

static void a_new_leaf_is_marked_and_not_logged_as_well(void **state)
{
	struct guest *guest = logged(state);

	guest_touch(guest, AT + 2000, TDP_WRITE);
	tdp_vcpu_exit(guest->vcpu);
	assert_int_equal(marks(guest), 1);
	log_expect(guest, 2000);
}

static void marks_come_in_the_order_that_the_kernel_reads_them_in(void **state)
{
	struct guest *guest = logged(state);

	guest_touch(guest, AT + 1, TDP_WRITE);
	guest_touch(guest, AT + 2, TDP_WRITE);
	tdp_vcpu_exit(guest->vcpu);
	assert_int_equal(guest_event(guest, TDP_TRACE_MARK_DIRTY, 0)->mark_dirty.gfn, AT + 1);
}

static void until_6_13_the_youngest_came_first(void **state)
{
	struct guest *guest = guest_of(state, TDP_4K, TDP_BASELINE_6_12);

	guest_slot(guest, 1, AT, PAGES, 0);
	guest_touch(guest, AT + 1, TDP_WRITE);
	guest_touch(guest, AT + 2, TDP_WRITE);
	slot_logged(guest, true);
	guest_forget(guest);
	guest_touch(guest, AT + 1, TDP_WRITE);
	guest_touch(guest, AT + 2, TDP_WRITE);
	tdp_vcpu_exit(guest->vcpu);
	assert_int_equal(guest_event(guest, TDP_TRACE_MARK_DIRTY, 0)->mark_dirty.gfn, AT + 2);
}

static void without_a_logged_slot_the_cpu_logs_nothing(void **state)
{
	struct guest *guest = logged(state);

	slot_logged(guest, false);
	guest_touch(guest, AT + 7, TDP_WRITE);
	tdp_vcpu_exit(guest->vcpu);
	assert_int_equal(marks(guest), 0);
}

static void any_logged_slot_keeps_the_cpus_logs_on(void **state)
{
	struct guest *guest = logged(state);

	slot_logged_as(guest, 2, 2 * AT, 64, 0);
	guest_slot_delete(guest, 1);
	guest_slot(guest, 3, AT, 64, 0);
	guest_touch(guest, 2 * AT, TDP_WRITE);
	assert_int_equal(marks(guest), 1);
	slot_logged_as(guest, 3, AT, 64, 0);
	guest_slot_delete(guest, 2);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(marks(guest), 2);
}

/* Pages of slots that are not logged are logged by the CPU, and dropped. */
static void other_slots_pages_are_logged_in_vain(void **state)
{
	struct guest *guest = logged(state);

	guest_slot(guest, 2, AT + PAGES, 64, 0);
	guest_touch(guest, AT + PAGES, TDP_READ);
	guest_touch(guest, AT + PAGES, TDP_WRITE);
	*guest_entry_at(guest, AT + PAGES) &= ~D_BIT;
	tdp_vcpu_flush_tlb(guest->vcpu);
	guest_touch(guest, AT + PAGES, TDP_WRITE);
	tdp_vcpu_exit(guest->vcpu);
	assert_int_equal(marks(guest), 1);
	log_expect_none(guest);
}

static void each_address_space_is_logged_in_its_own_slots(void **state)
{
	struct guest *guest = logged(state);
	struct tdp_memslot slot = logged_slot_of(guest, 1, AT, PAGES, 0);
	uint64_t bitmap[WORDS];

	slot.address_space = 1;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
	guest_touch(guest, AT + 1, TDP_WRITE);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, true), 0);
	guest_touch(guest, AT + 2, TDP_WRITE);
	assert_int_equal(tdp_vm_get_dirty_log(guest->vm, 1, 1, bitmap, WORDS), 0);
	assert_true(bitmap[0] == 4);
	guest_touch(guest, AT + 2, TDP_WRITE);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, false), 0);
	assert_int_equal(tdp_vm_get_dirty_log(guest->vm, 1, 1, bitmap, WORDS), 0);
	assert_true(bitmap[0] == 4);
	log_expect(guest, 1);
}

/* The CPU would log L2's addresses: its pages are protected instead. */
static void an_l2_guests_pages_lose_the_right_to_write(void **state)
{
	struct guest *guest = guest_of(state, TDP_4K, TDP_BASELINE_LATEST);
	uint64_t before;

	guest_slot(guest, 1, AT, PAGES, 0);
	guest_touch_on(guest->vcpus[1], AT, TDP_WRITE);
	assert_int_equal(tdp_vcpu_set_guest_mode(guest->vcpu, true), 0);
	guest_touch(guest, AT, TDP_WRITE);
	before = guest_entry_bits(guest, AT);
	slot_logged(guest, true);
	assert_int_equal(guest_entry_bits(guest, AT), before & ~W_BIT);
	guest_forget(guest);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 1);
	assert_int_equal(marks(guest), 1);
	log_expect(guest, 0);
	assert_int_equal(guest_entry_bits(guest, AT), before & ~W_BIT);
	/* L1's tree goes on by dirty flags. */
	assert_int_equal(guest_touch_on(guest->vcpus[1], AT, TDP_WRITE), 0);
	log_expect(guest, 0);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 1);
	log_expect(guest, 0);
}

static void entering_an_l2_guest_empties_the_log(void **state)
{
	struct guest *guest = logged(state);

	guest_touch(guest, AT + 7, TDP_WRITE);
	assert_int_equal(tdp_vcpu_set_guest_mode(guest->vcpu, true), 0);
	assert_int_equal(marks(guest), 1);
	log_expect(guest, 7);
}

static void clearing_finds_what_is_logged_and_not_marked_yet(void **state)
{
	struct guest *guest = logged(state);

	guest_touch(guest, AT + 7, TDP_WRITE);
	log_clear(guest, 0, 64);
	assert_false(guest_entry(guest, AT + 7) & D_BIT);
	log_expect_none(guest);
	guest_touch(guest, AT + 7, TDP_WRITE);
	log_expect(guest, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_test_ept(logging_clears_dirty_flags_and_flushes_once),
		guest_test_ept(huge_leaves_lose_the_right_to_write_too),
		guest_test_ept(parts_of_a_leaf_written_between_the_passes_are_noticed),
		guest_test_ept(a_write_takes_no_fault_and_is_reported),
		guest_test_ept(a_write_is_logged_once_until_it_is_reported),
		guest_test_ept(a_write_after_a_read_is_logged),
		guest_test_ept(what_is_logged_is_marked_at_the_next_exit),
		guest_test_ept(a_full_log_makes_the_next_write_exit),
		guest_test_ept(a_full_log_stops_nothing_else),
		guest_test_ept(a_reader_finds_what_a_resting_vcpu_has_logged),
		guest_test_ept(a_new_leaf_is_marked_and_not_logged_as_well),
		guest_test_ept(marks_come_in_the_order_that_the_kernel_reads_them_in),
		guest_test_ept(until_6_13_the_youngest_came_first),
		guest_test_ept(without_a_logged_slot_the_cpu_logs_nothing),
		guest_test_ept(any_logged_slot_keeps_the_cpus_logs_on),
		guest_test_ept(other_slots_pages_are_logged_in_vain),
		guest_test_ept(each_address_space_is_logged_in_its_own_slots),
		guest_test_ept(an_l2_guests_pages_lose_the_right_to_write),
		guest_test_ept(entering_an_l2_guest_empties_the_log),
		guest_test_ept(clearing_finds_what_is_logged_and_not_marked_yet),
	};

	return cmocka_run_group_tests_name("dirty/dbit", tests, NULL, NULL);
}
