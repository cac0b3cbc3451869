/*
 * A fault in a logged slot makes small leaves and marks each page before it can be written; in
 * another slot it does neither.
 */
#include "support/guest.h"

#include "vm/vm.h"

#define AT 0x40000ULL

static void set_logged(struct guest *guest, bool log_dirty)
{
	struct tdp_memslot slot = guest_slot_of(guest, 1, AT, 4096, 0);

	slot.log_dirty = log_dirty;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
}

static bool marked(const struct guest *guest, uint64_t page)
{
	const struct memslot *slot = memslot_by_id(memslots_of(&guest->vm->memory, 0), 1);

	return dirty_log_peek(slot->log, page / 64) >> page % 64 & 1;
}

static void a_logged_slot_is_mapped_by_4k_pages(void **state)
{
	struct guest *guest = guest_make(state, .page = TDP_2M);

	set_logged(guest, true);
	guest_touch(guest, AT + 7, TDP_READ);
	assert_int_equal(guest_level(guest, AT + 7), TDP_4K);
	assert_int_equal(guest_level(guest, AT + 8), TDP_NOT_MAPPED);
}

static void a_new_writable_leaf_is_marked_before_it_is_there(void **state)
{
	struct guest *guest = guest_make(state);

	set_logged(guest, true);
	guest_touch(guest, AT, TDP_READ);
	guest_forget(guest);
	guest_touch(guest, AT + 70, TDP_READ); /* writable memory: so is the leaf */
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_MARK_DIRTY,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SET_SPTE, TDP_TRACE_FAULT_RETURN);
	assert_int_equal(guest_event(guest, TDP_TRACE_MARK_DIRTY, 0)->mark_dirty.gfn, AT + 70);
	assert_true(marked(guest, 70));
	assert_false(marked(guest, 71));
}

static void what_the_host_does_not_let_write_is_not_marked(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest->script.read_only = true;
	set_logged(guest, true);
	guest_touch(guest, AT + 3, TDP_READ);
	assert_int_equal(guest_count(guest, TDP_TRACE_MARK_DIRTY), 0);
	assert_false(marked(guest, 3));
}

static void without_the_flag_nothing_is_marked(void **state)
{
	struct guest *guest = guest_make(state);

	set_logged(guest, true);
	guest_touch(guest, AT, TDP_WRITE);
	set_logged(guest, false);
	guest_forget(guest);
	guest_touch(guest, AT + 1, TDP_WRITE);
	assert_int_equal(guest_count(guest, TDP_TRACE_MARK_DIRTY), 0);
}

static void a_slot_that_moves_takes_its_log_along(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_memslot slot = guest_slot_of(guest, 1, 2 * AT, 4096, 0);

	set_logged(guest, true);
	guest_touch(guest, AT + 5, TDP_WRITE);
	slot.log_dirty = true;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
	assert_true(marked(guest, 5));
	guest_slot_delete(guest, 1);
}

/* Takes the right to write of vCPU 0's entry away, as the log does. */
static void protect(struct guest *guest, uint64_t gfn)
{
	*guest_entry_at(guest, gfn) &= ~guest->vm->mmu.encoding.write;
	tdp_vcpu_flush_tlb(guest->vcpu);
}

static void a_right_to_write_that_is_given_back_is_marked(void **state)
{
	struct guest *guest = guest_make(state);

	guest_slot(guest, 1, AT, 4096, 0);
	guest_touch(guest, AT + 9, TDP_WRITE);
	set_logged(guest, true);
	protect(guest, AT + 9);
	guest_forget(guest);
	guest_touch(guest, AT + 9, TDP_WRITE);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_MARK_DIRTY, TDP_TRACE_FAST_PAGE_FAULT,
		     TDP_TRACE_FAULT_RETURN);
	assert_true(marked(guest, 9));
}

static void a_huge_leaf_of_a_logged_slot_is_not_made_writable(void **state)
{
	struct guest *guest = guest_make(state, .page = TDP_2M, .policy.eager_split = TDP_OFF);

	guest_slot(guest, 1, AT, 4096, 0);
	guest_touch(guest, AT + 9, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT + 9), TDP_2M);
	set_logged(guest, true);
	protect(guest, AT + 9);
	guest_touch(guest, AT + 9, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT + 9), TDP_4K);
	assert_true(marked(guest, 9));
	assert_false(guest_writable(guest, AT + 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_logged_slot_is_mapped_by_4k_pages),
		guest_tests(a_new_writable_leaf_is_marked_before_it_is_there),
		guest_tests(what_the_host_does_not_let_write_is_not_marked),
		guest_tests(without_the_flag_nothing_is_marked),
		guest_tests(a_slot_that_moves_takes_its_log_along),
		guest_tests(a_right_to_write_that_is_given_back_is_marked),
		guest_tests(a_huge_leaf_of_a_logged_slot_is_not_made_writable),
	};

	return cmocka_run_group_tests_name("dirty/mark", tests, NULL, NULL);
}
