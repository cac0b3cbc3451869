/*
 * The dirty log by write protection: what is protected when, what a write leads to,
 * and where a flush is owed. On NPT, and on EPT by policy.
 */
#include "support/logged.h"

#include <errno.h>

#include "vm/vm.h"

#define W_BIT 2ULL

static struct guest *guest_of(void **state, enum tdp_level page, unsigned int vcpus)
{
	return guest_make(
		state, .page = page, .vcpus = vcpus,
		.policy = {.dirty_track = TDP_DIRTY_TRACK_WRPROT, .eager_split = TDP_OFF});
}

static struct guest *mapped(void **state)
{
	struct guest *guest = guest_of(state, TDP_4K, 2);

	guest_slot(guest, 1, AT, PAGES, 0);
	for (unsigned int i = 0; i < 8; i++)
		guest_touch(guest, AT + 100 * i, TDP_WRITE);
	return guest;
}

static void logging_takes_the_right_to_write_of_every_page(void **state)
{
	struct guest *guest = mapped(state);
	uint64_t before = guest_entry_bits(guest, AT);

	guest_forget(guest);
	slot_logged(guest, true);
	assert_int_equal(guest_changes(guest, TDP_4K, before, before & ~W_BIT), 8);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), 8);
	assert_int_equal(guest_entry_bits(guest, AT + 700), before & ~W_BIT);
	log_expect_none(guest);
}

static void logging_flushes_once_whether_anything_was_mapped_or_not(void **state)
{
	struct guest *guest = mapped(state);

	guest_forget(guest);
	slot_logged(guest, true);
	assert_int_equal(flushes(guest), 1);
	assert_int_equal(guest->events[guest->event_count - 1].kind, TDP_TRACE_FLUSH);
	guest_forget(guest);
	guest_slot(guest, 2, 2 * AT, 64, 0);
	slot_logged_as(guest, 2, 2 * AT, 64, 0);
	guest_expect(guest, TDP_TRACE_FLUSH);
}

static void other_slots_are_left_alone(void **state)
{
	struct guest *guest = guest_of(state, TDP_4K, 1);

	guest_slot(guest, 1, AT, PAGES, 0);
	guest_slot(guest, 2, AT + PAGES, 64, 0);
	guest_slot(guest, 3, AT - 64, 64, 0);
	guest_touch(guest, AT - 1, TDP_WRITE);
	guest_touch(guest, AT + PAGES, TDP_WRITE);
	slot_logged(guest, true);
	assert_true(guest_writable(guest, AT - 1));
	assert_true(guest_writable(guest, AT + PAGES));
}

static void a_write_faults_once_and_is_reported_once(void **state)
{
	struct guest *guest = mapped(state);

	slot_logged(guest, true);
	assert_int_equal(guest_touch(guest, AT + 100, TDP_WRITE), 1);
	assert_int_equal(guest_touch(guest, AT + 100, TDP_WRITE), 0);
	assert_int_equal(guest_touch(guest, AT + 200, TDP_READ), 0);
	log_expect(guest, 100);
	log_expect_none(guest);
}

static void a_reported_page_is_protected_again(void **state)
{
	struct guest *guest = mapped(state);

	slot_logged(guest, true);
	guest_touch(guest, AT + 100, TDP_WRITE);
	guest_forget(guest);
	log_expect(guest, 100);
	guest_expect(guest, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_FLUSH);
	assert_int_equal(guest_touch(guest, AT + 100, TDP_WRITE), 1);
	log_expect(guest, 100);
}

static void reading_an_empty_log_changes_nothing(void **state)
{
	struct guest *guest = mapped(state);

	slot_logged(guest, true);
	guest_forget(guest);
	log_expect_none(guest);
	assert_int_equal(guest->event_count, 0);
}

static void every_vcpus_writes_are_reported(void **state)
{
	struct guest *guest = mapped(state);

	slot_logged(guest, true);
	guest_touch_on(guest->vcpus[1], AT + 100, TDP_WRITE);
	guest_touch(guest, AT + 200, TDP_WRITE);
	/* Writable already; a write by any vCPU is reported. */
	assert_int_equal(guest_touch_on(guest->vcpus[1], AT + 200, TDP_WRITE), 0);
	log_expect(guest, 100, 200);
	assert_int_equal(guest_touch_on(guest->vcpus[1], AT + 200, TDP_WRITE), 1);
	log_expect(guest, 200);
}

static void words_of_the_log_end_where_they_should(void **state)
{
	struct guest *guest = guest_of(state, TDP_4K, 1);

	slot_logged(guest, true);
	guest_touch(guest, AT, TDP_WRITE);
	guest_touch(guest, AT + 63, TDP_WRITE);
	guest_touch(guest, AT + 64, TDP_WRITE);
	guest_touch(guest, AT + PAGES - 1, TDP_WRITE);
	log_expect(guest, 0, 63, 64, PAGES - 1);
}

/* 64 pages of it lie in two tables of 4K entries. */
static void a_slot_that_begins_in_the_middle_of_a_word_is_protected_whole(void **state)
{
	struct guest *guest = guest_of(state, TDP_4K, 1);
	uint64_t at = AT + 512 - 20, bitmap[2];

	slot_logged_as(guest, 1, at, 100, 3);
	for (unsigned int i = 0; i < 100; i++)
		guest_touch(guest, at + i, TDP_WRITE);
	assert_int_equal(tdp_vm_get_dirty_log(guest->vm, 0, 1, bitmap, 2), 0);
	assert_true(bitmap[0] == ~0ULL && bitmap[1] == (1ULL << 36) - 1);
	for (unsigned int i = 0; i < 100; i++)
		assert_false(guest_writable(guest, at + i));
}

static void a_huge_leaf_is_protected_and_the_first_write_makes_it_small(void **state)
{
	struct guest *guest = guest_of(state, TDP_2M, 1);

	guest_slot(guest, 1, AT, PAGES, 0);
	guest_touch(guest, AT + 5, TDP_WRITE);
	slot_logged(guest, true);
	assert_int_equal(guest_level(guest, AT + 5), TDP_2M);
	assert_false(guest_writable(guest, AT + 5));
	guest_touch(guest, AT + 6, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT + 5), TDP_4K);
	assert_false(guest_writable(guest, AT + 5));
	guest_touch(guest, AT + 5, TDP_WRITE);
	log_expect(guest, 5, 6);
}

static void without_logging_a_log_is_none(void **state)
{
	struct guest *guest = mapped(state);
	uint64_t bitmap[WORDS];

	slot_logged(guest, true);
	guest_touch(guest, AT, TDP_WRITE);
	slot_logged(guest, false);
	guest_refused(guest, tdp_vm_get_dirty_log(guest->vm, 0, 1, bitmap, WORDS), -ENOENT);
	/* And what was in it is forgotten. */
	slot_logged(guest, true);
	log_expect_none(guest);
}

static void a_log_goes_with_its_slot(void **state)
{
	struct guest *guest = mapped(state);

	slot_logged(guest, true);
	guest_touch(guest, AT, TDP_WRITE);
	guest_slot_delete(guest, 1);
	slot_logged(guest, true);
	log_expect_none(guest);
}

static void a_log_moves_with_its_slot(void **state)
{
	struct guest *guest = mapped(state);

	slot_logged(guest, true);
	guest_touch(guest, AT + 9, TDP_WRITE);
	slot_logged_as(guest, 1, 2 * AT, PAGES, 0);
	guest_touch(guest, 2 * AT + 10, TDP_WRITE);
	log_expect(guest, 9, 10);
	assert_int_equal(guest_touch(guest, 2 * AT + 10, TDP_WRITE), 1);
}

static void a_read_only_slot_has_a_log_that_stays_empty(void **state)
{
	struct guest *guest = guest_of(state, TDP_4K, 1);
	struct tdp_memslot slot = guest_slot_of(guest, 1, AT, PAGES, 0);

	slot.read_only = true;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
	guest_touch(guest, AT, TDP_READ);
	guest_forget(guest);
	slot.log_dirty = true;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
	assert_int_equal(guest->event_count, 0);
	assert_int_equal(guest_access(guest, AT << TDP_PAGE_SHIFT, TDP_WRITE).outcome,
			 TDP_ACCESS_MMIO);
	log_expect_none(guest);
}

static void address_spaces_have_logs_of_their_own(void **state)
{
	struct guest *guest = guest_of(state, TDP_4K, 1);
	struct tdp_memslot slot = logged_slot_of(guest, 1, AT, PAGES, 0);
	uint64_t bitmap[WORDS];

	slot_logged(guest, true);
	slot.address_space = 1;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, true), 0);
	guest_touch(guest, AT + 3, TDP_WRITE);
	log_expect_none(guest);
	assert_int_equal(tdp_vm_get_dirty_log(guest->vm, 1, 1, bitmap, WORDS), 0);
	assert_true(bitmap[0] == 8);
	assert_false(guest_writable(guest, AT + 3));
}

static void what_the_host_takes_away_stays_reported(void **state)
{
	struct guest *guest = mapped(state);

	slot_logged(guest, true);
	guest_touch(guest, AT + 100, TDP_WRITE);
	guest_discard(guest, 100, 1);
	log_expect(guest, 100);
}

static void no_page_of_a_slot_is_missed(void **state)
{
	struct guest *guest = guest_of(state, TDP_4K, 1);

	guest_slot(guest, 1, AT, PAGES, 0);
	for (unsigned int i = 0; i < PAGES; i += 7)
		guest_touch(guest, AT + i, TDP_WRITE);
	slot_logged(guest, true);
	for (unsigned int i = 0; i < PAGES; i += 7)
		assert_false(guest_writable(guest, AT + i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(logging_takes_the_right_to_write_of_every_page),
		guest_tests(logging_flushes_once_whether_anything_was_mapped_or_not),
		guest_tests(other_slots_are_left_alone),
		guest_tests(a_write_faults_once_and_is_reported_once),
		guest_tests(a_reported_page_is_protected_again),
		guest_tests(reading_an_empty_log_changes_nothing),
		guest_tests(every_vcpus_writes_are_reported),
		guest_tests(words_of_the_log_end_where_they_should),
		guest_tests(a_slot_that_begins_in_the_middle_of_a_word_is_protected_whole),
		guest_tests(a_huge_leaf_is_protected_and_the_first_write_makes_it_small),
		guest_tests(without_logging_a_log_is_none),
		guest_tests(a_log_goes_with_its_slot),
		guest_tests(a_log_moves_with_its_slot),
		guest_tests(a_read_only_slot_has_a_log_that_stays_empty),
		guest_tests(address_spaces_have_logs_of_their_own),
		guest_tests(what_the_host_takes_away_stays_reported),
		guest_tests(no_page_of_a_slot_is_missed),
	};

	return cmocka_run_group_tests_name("dirty/wrprot", tests, NULL, NULL);
}
