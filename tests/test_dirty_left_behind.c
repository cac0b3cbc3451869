/*
 * Policy exit_keeps_log, the bug of 6.18: an exit to user space leaves the pages that the
 * CPU has logged in its log, and nobody else takes them out before the vCPU's next exit.
 */
#include "support/logged.h"

static struct guest *guest_with_log(void **state, struct guest_config config)
{
	struct guest *guest;

	config.policy.exit_keeps_log = TDP_ON;
	config.policy.eager_split = TDP_OFF;
	guest = guest_make_as(state, &config);
	guest_slot(guest, 1, AT, PAGES, 0);
	for (unsigned int i = 0; i < 16; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	slot_logged(guest, true);
	guest_forget(guest);
	return guest;
}

static void write_and_halt(struct guest *guest, uint64_t gfn)
{
	assert_int_equal(guest_touch(guest, gfn, TDP_WRITE), 0);
	tdp_vcpu_exit(guest->vcpu);
}

static void a_read_of_the_log_misses_the_page_until_the_next_fault(void **state)
{
	struct guest *guest = guest_with_log(state, (struct guest_config){0});

	write_and_halt(guest, AT + 7);
	log_expect_none(guest);
	guest_touch(guest, AT + 100, TDP_READ);
	assert_int_equal(guest_event(guest, TDP_TRACE_MARK_DIRTY, 0)->mark_dirty.gfn, AT + 7);
	log_expect(guest, 7, 100);
}

static void a_ring_gets_the_page_at_the_next_fault(void **state)
{
	struct guest *guest = guest_with_log(state, (struct guest_config){.vm.dirty_ring = 1024});
	struct tdp_dirty_page pages[4];

	write_and_halt(guest, AT + 7);
	assert_int_equal(tdp_vcpu_harvest_dirty_ring(guest->vcpu, pages, 4), 0);
	guest_touch(guest, AT + 100, TDP_READ);
	assert_int_equal(tdp_vcpu_harvest_dirty_ring(guest->vcpu, pages, 4), 2);
	assert_int_equal(pages[0].offset, 7);
}

/* SMM is entered without an exit, and the exit in SMM looks the page up in the slots of SMM. */
static void a_page_written_before_smm_is_marked_in_the_slots_of_smm(void **state)
{
	struct guest *guest = guest_with_log(state, (struct guest_config){0});
	struct tdp_memslot slot = logged_slot_of(guest, 1, AT, PAGES, 0);

	slot.address_space = 1;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
	write_and_halt(guest, AT + 7);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, true), 0);
	assert_int_equal(guest_count(guest, TDP_TRACE_MARK_DIRTY), 0);
	guest_touch(guest, AT + 9, TDP_READ);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, false), 0);
	assert_int_equal(guest_event(guest, TDP_TRACE_MARK_DIRTY, 0)->mark_dirty.gfn, AT + 7);
	log_expect_none(guest);
	slot_logged(guest, false); /* or the checker would rightly complain of the lost page */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_test_ept(a_read_of_the_log_misses_the_page_until_the_next_fault),
		guest_test_ept(a_ring_gets_the_page_at_the_next_fault),
		guest_test_ept(a_page_written_before_smm_is_marked_in_the_slots_of_smm),
	};

	return cmocka_run_group_tests_name("dirty/left_behind", tests, NULL, NULL);
}
