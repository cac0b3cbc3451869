/*
 * Manual protection of the dirty log: reading only copies, clearing protects; and logs
 * that begin with every page marked.
 */
#include "support/logged.h"

#include <errno.h>
#include <string.h>

#include "vm/vm.h"

#define NPT_W	  (1ULL << 1)
#define NPT_MMU_W (1ULL << 10)
#define EPT_W	  (1ULL << 1)
#define EPT_MMU_W (1ULL << 58)

static struct guest *guest_of(void **state, enum tdp_manual_protect manual, enum tdp_level page)
{
	return guest_make(
		state, .page = page, .vm.manual_protect = manual,
		.policy = {.dirty_track = TDP_DIRTY_TRACK_WRPROT, .eager_split = TDP_OFF});
}

static void reading_copies_and_changes_nothing(void **state)
{
	struct guest *guest = guest_of(state, TDP_MANUAL_PROTECT_ON, TDP_4K);

	slot_logged(guest, true);
	guest_touch(guest, AT + 1, TDP_WRITE);
	guest_touch(guest, AT + 65, TDP_WRITE);
	guest_forget(guest);
	log_expect(guest, 1, 65);
	log_expect(guest, 1, 65);
	assert_int_equal(guest->event_count, 0);
	assert_true(guest_writable(guest, AT + 1));
}

static void clearing_protects_what_was_marked_in_the_range(void **state)
{
	struct guest *guest = guest_of(state, TDP_MANUAL_PROTECT_ON, TDP_4K);

	slot_logged(guest, true);
	guest_touch(guest, AT + 1, TDP_WRITE);
	guest_touch(guest, AT + 65, TDP_WRITE);
	guest_forget(guest);
	log_clear(guest, 0, 64);
	guest_expect(guest, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_FLUSH);
	assert_false(guest_writable(guest, AT + 1));
	assert_true(guest_writable(guest, AT + 65));
	log_expect(guest, 65);
	assert_int_equal(guest_touch(guest, AT + 1, TDP_WRITE), 1);
	log_expect(guest, 1, 65);
}

static void clearing_what_is_not_marked_owes_nothing(void **state)
{
	struct guest *guest = guest_of(state, TDP_MANUAL_PROTECT_ON, TDP_4K);

	slot_logged(guest, true);
	guest_touch(guest, AT + 65, TDP_WRITE);
	guest_forget(guest);
	log_clear(guest, 0, 64);
	log_clear(guest, 128, PAGES - 128);
	assert_int_equal(guest->event_count, 0);
	assert_true(guest_writable(guest, AT + 65));
}

static void only_the_pages_asked_for_are_cleared(void **state)
{
	struct guest *guest = guest_of(state, TDP_MANUAL_PROTECT_ON, TDP_4K);
	uint64_t bitmap = 1ULL << 2;

	slot_logged(guest, true);
	guest_touch(guest, AT + 65, TDP_WRITE);
	guest_touch(guest, AT + 66, TDP_WRITE);
	assert_int_equal(tdp_vm_clear_dirty_log(guest->vm, 0, 1, 64, 64, &bitmap), 0);
	log_expect(guest, 65);
	assert_false(guest_writable(guest, AT + 66));
	assert_true(guest_writable(guest, AT + 65));
}

/* As in the kernel: clearing does not ask how the log is read. */
static void without_manual_protection_clearing_works_too(void **state)
{
	struct guest *guest = guest_of(state, TDP_MANUAL_PROTECT_OFF, TDP_4K);

	slot_logged(guest, true);
	guest_touch(guest, AT, TDP_WRITE);
	log_clear(guest, 0, 64);
	assert_false(guest_writable(guest, AT));
	log_expect_none(guest);
}

static void a_log_begins_with_all_pages_and_nothing_is_touched(void **state)
{
	struct guest *guest = guest_of(state, TDP_MANUAL_PROTECT_ALL_SET, TDP_4K);
	uint64_t bitmap[WORDS];

	guest_slot(guest, 1, AT, PAGES, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_forget(guest);
	slot_logged(guest, true);
	assert_int_equal(guest->event_count, 0);
	assert_true(guest_writable(guest, AT));
	assert_int_equal(log_read(guest, bitmap), PAGES);
}

static void the_last_word_has_no_pages_beyond_the_slot(void **state)
{
	struct guest *guest = guest_of(state, TDP_MANUAL_PROTECT_ALL_SET, TDP_4K);
	uint64_t bitmap[2], all[2] = {~0ULL, ~0ULL};

	slot_logged_as(guest, 1, AT, 70, 0);
	assert_int_equal(tdp_vm_get_dirty_log(guest->vm, 0, 1, bitmap, 2), 0);
	assert_true(bitmap[0] == ~0ULL && bitmap[1] == 0x3f);
	assert_int_equal(tdp_vm_clear_dirty_log(guest->vm, 0, 1, 0, 70, all), 0);
	assert_int_equal(tdp_vm_get_dirty_log(guest->vm, 0, 1, bitmap, 2), 0);
	assert_true(bitmap[0] == 0 && bitmap[1] == 0);
}

/* Bits as the kernel's traces have them: tests/conformance, manual_init. */
static void the_first_clearing_protects_huge_leaves_for_good(void **state)
{
	struct guest *guest = guest_of(state, TDP_MANUAL_PROTECT_ALL_SET, TDP_2M);
	bool npt = guest->config.vm.format == TDP_NPT;
	uint64_t taken = npt ? NPT_W | NPT_MMU_W : EPT_W | EPT_MMU_W, before;

	guest_slot(guest, 1, AT, PAGES, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_touch(guest, AT + 512, TDP_WRITE);
	slot_logged(guest, true);
	before = guest_entry_bits(guest, AT);
	guest_forget(guest);
	log_clear(guest, 0, 64);
	assert_int_equal(guest_entry_bits(guest, AT), before & ~taken);
	assert_int_equal(guest_entry_bits(guest, AT + 512), before);
	guest_expect(guest, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_FLUSH);
	/* The write splits; the children have no right to write that came back by itself. */
	guest_touch(guest, AT + 3, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT), TDP_4K);
	assert_false(guest_writable(guest, AT));
	assert_true(guest_writable(guest, AT + 3));
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 1);
}

/* A word whose pages lie under two huge leaves. */
static void both_huge_leaves_under_a_word_are_protected(void **state)
{
	struct guest *guest = guest_of(state, TDP_MANUAL_PROTECT_ALL_SET, TDP_2M);
	uint64_t at = AT + 512 - 20, word = 1ULL << 3 | 1ULL << 20;

	guest_slot(guest, 1, at, 1100, 512 - 20);
	guest_touch(guest, AT + 512, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT + 512), TDP_2M);
	slot_logged_as(guest, 1, at, 1100, 512 - 20);
	assert_int_equal(tdp_vm_clear_dirty_log(guest->vm, 0, 1, 0, 64, &word), 0);
	assert_false(guest_writable(guest, AT + 512));
}

/* In an MMIO entry, or a hole, the bits mean something else. */
static void clearing_leaves_what_is_no_leaf_alone(void **state)
{
	struct guest *guest = guest_of(state, TDP_MANUAL_PROTECT_ALL_SET, TDP_4K);
	uint64_t hole, mmio;

	assert_int_equal(guest_access(guest, (AT + 1) << TDP_PAGE_SHIFT, TDP_WRITE).outcome,
			 TDP_ACCESS_MMIO);
	hole = guest_entry(guest, AT);
	mmio = guest_entry(guest, AT + 1);
	assert_int_not_equal(hole, mmio);
	slot_logged(guest, true);
	guest_forget(guest);
	log_clear(guest, 0, PAGES);
	guest_expect(guest, TDP_TRACE_FLUSH);
	assert_int_equal(guest_entry(guest, AT), hole);
	assert_int_equal(guest_entry(guest, AT + 1), mmio);
}

static void a_range_that_is_none_is_refused(void **state)
{
	struct guest *guest = guest_of(state, TDP_MANUAL_PROTECT_ON, TDP_4K);
	struct tdp_vm *vm = guest->vm;
	uint64_t bitmap[WORDS + 1];

	memset(bitmap, 0xff, sizeof(bitmap));
	slot_logged_as(guest, 1, AT, 100, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_refused(guest, tdp_vm_clear_dirty_log(vm, 0, 1, 1, 64, bitmap), -EINVAL);
	guest_refused(guest, tdp_vm_clear_dirty_log(vm, 0, 1, 0, 63, bitmap), -EINVAL);
	guest_refused(guest, tdp_vm_clear_dirty_log(vm, 0, 1, 0, 101, bitmap), -EINVAL);
	guest_refused(guest, tdp_vm_clear_dirty_log(vm, 0, 1, 128, 64, bitmap), -EINVAL);
	guest_refused(guest, tdp_vm_clear_dirty_log(vm, 0, 1, 64, ~0ULL - 63, bitmap), -EINVAL);
	guest_refused(guest, tdp_vm_clear_dirty_log(vm, 0, 2, 0, 64, bitmap), -ENOENT);
	guest_refused(guest, tdp_vm_clear_dirty_log(vm, 2, 1, 0, 64, bitmap), -EINVAL);
	guest_refused(guest, tdp_vm_clear_dirty_log(vm, 0, TDP_MEMSLOTS, 0, 64, bitmap), -EINVAL);
	assert_true(guest_writable(guest, AT));
	assert_int_equal(tdp_vm_clear_dirty_log(vm, 0, 1, 64, 36, bitmap), 0);
	assert_int_equal(tdp_vm_clear_dirty_log(vm, 0, 1, 0, 100, bitmap), 0);
	assert_false(guest_writable(guest, AT));
}

static void a_read_that_has_no_place_is_refused(void **state)
{
	struct guest *guest = guest_of(state, TDP_MANUAL_PROTECT_OFF, TDP_4K);
	uint64_t bitmap[WORDS];

	slot_logged(guest, true);
	guest_touch(guest, AT, TDP_WRITE);
	guest_slot(guest, 2, 2 * AT, 64, 0);
	guest_refused(guest, tdp_vm_get_dirty_log(guest->vm, 0, 1, bitmap, WORDS - 1), -EINVAL);
	guest_refused(guest, tdp_vm_get_dirty_log(guest->vm, 0, 2, bitmap, WORDS), -ENOENT);
	guest_refused(guest, tdp_vm_get_dirty_log(guest->vm, 0, 3, bitmap, WORDS), -ENOENT);
	guest_refused(guest, tdp_vm_get_dirty_log(guest->vm, 2, 1, bitmap, WORDS), -EINVAL);
	log_expect(guest, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(reading_copies_and_changes_nothing),
		guest_tests(clearing_protects_what_was_marked_in_the_range),
		guest_tests(clearing_what_is_not_marked_owes_nothing),
		guest_tests(only_the_pages_asked_for_are_cleared),
		guest_tests(without_manual_protection_clearing_works_too),
		guest_tests(a_log_begins_with_all_pages_and_nothing_is_touched),
		guest_tests(the_last_word_has_no_pages_beyond_the_slot),
		guest_tests(the_first_clearing_protects_huge_leaves_for_good),
		guest_tests(both_huge_leaves_under_a_word_are_protected),
		guest_tests(clearing_leaves_what_is_no_leaf_alone),
		guest_tests(a_range_that_is_none_is_refused),
		guest_tests(a_read_that_has_no_place_is_refused),
	};

	return cmocka_run_group_tests_name("dirty/manual", tests, NULL, NULL);
}
