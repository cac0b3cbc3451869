/*
 * Clearing a log that began with every page marked: huge leaves are split before their
 * pages are protected, and where there is no memory for that they are protected whole.
 */
#include "support/logged.h"

#include <string.h>

#define ENOMEM_EVENT (-12)

struct race {
	bool refuse; /* tables */
};

static bool no_tables(void *context, enum tdp_allocation allocation)
{
	struct race *race = context;

	return race->refuse && allocation == TDP_ALLOCATE_TABLE_FRAME;
}

/* Slot 1, written and then logged; nothing of it is touched by that. */
static struct guest *logged(void **state, struct race *race, enum tdp_dirty_track_policy track,
			    enum tdp_level page)
{
	struct guest *guest =
		guest_make(state, .page = page, .vm.manual_protect = TDP_MANUAL_PROTECT_ALL_SET,
			   .policy = {.dirty_track = track, .eager_split = TDP_ON},
			   .host.fail = no_tables, .host.fail_context = race);

	guest_slot(guest, 1, AT, PAGES, 0);
	for (uint64_t gfn = AT; gfn < AT + PAGES; gfn += 512)
		guest_touch(guest, gfn, TDP_WRITE);
	slot_logged(guest, true);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
	guest_forget(guest);
	return guest;
}

/* Two pages in two words of the log, under one huge leaf. */
static void clear_3_and_70(struct guest *guest)
{
	const uint64_t bits[] = {1ULL << 3, 1ULL << (70 - 64)};

	assert_int_equal(tdp_vm_clear_dirty_log(guest->vm, 0, 1, 0, 128, bits), 0);
}

static void expect_cleared(struct guest *guest, uint64_t first, uint64_t second)
{
	uint64_t bitmap[WORDS];

	assert_int_equal(log_read(guest, bitmap), PAGES - 2);
	assert_false(bitmap[first / 64] >> first % 64 & 1);
	assert_false(bitmap[second / 64] >> second % 64 & 1);
}

static void a_leaf_is_split_before_its_pages_are_protected(void **state)
{
	struct race race = {0};
	struct guest *guest = logged(state, &race, TDP_DIRTY_TRACK_WRPROT, TDP_2M);

	clear_3_and_70(guest);
	guest_expect(guest, TDP_TRACE_GET_PAGE, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPLIT_HUGE_PAGE,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_FLUSH);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPTE_CHANGED, 1)->spte_changed.gfn, AT + 3);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPTE_CHANGED, 2)->spte_changed.gfn, AT + 70);
	for (uint64_t page = 0; page < 512; page++) {
		assert_int_equal(guest_level(guest, AT + page), TDP_4K);
		assert_int_equal(guest_writable(guest, AT + page), page != 3 && page != 70);
	}
	assert_int_equal(guest_stats(guest).pages_2m, PAGES / 512 - 1);
	expect_cleared(guest, 3, 70);
}

/* A later write takes a fast fault, and comes into the log. */
static void a_page_that_was_cleared_is_logged_again(void **state)
{
	struct race race = {0};
	struct guest *guest = logged(state, &race, TDP_DIRTY_TRACK_WRPROT, TDP_2M);
	uint64_t bitmap[WORDS];

	clear_3_and_70(guest);
	assert_int_equal(guest_touch(guest, AT + 4, TDP_WRITE), 0);
	assert_int_equal(guest_touch(guest, AT + 3, TDP_WRITE), 1);
	assert_int_equal(guest_stats(guest).pf_fast, 1);
	assert_int_equal(log_read(guest, bitmap), PAGES - 1);
	assert_true(bitmap[0] >> 3 & 1);
}

static void with_dirty_flags_they_lose_those(void **state)
{
	struct race race = {0};
	struct guest *guest = logged(state, &race, TDP_DIRTY_TRACK_DBIT, TDP_2M);
	uint64_t bitmap[WORDS], dirty;

	clear_3_and_70(guest);
	assert_int_equal(guest_level(guest, AT + 3), TDP_4K);
	dirty = guest_entry_bits(guest, AT + 4);
	assert_int_equal(guest_entry_bits(guest, AT + 3), dirty & ~(1ULL << 9));
	assert_int_equal(guest_entry_bits(guest, AT + 70), dirty & ~(1ULL << 9));
	assert_true(guest_writable(guest, AT + 3));
	expect_cleared(guest, 3, 70);
	/* No fault; the CPU logs the write. */
	assert_int_equal(guest_touch(guest, AT + 70, TDP_WRITE), 0);
	assert_int_equal(log_read(guest, bitmap), PAGES - 1);
	assert_true(bitmap[1] >> (70 - 64) & 1);
}

static void all_regions_of_a_range_are_split(void **state)
{
	struct race race = {0};
	struct guest *guest = logged(state, &race, TDP_DIRTY_TRACK_WRPROT, TDP_2M);

	log_clear(guest, 1024, 1024);
	assert_int_equal(guest_stats(guest).pages_2m, PAGES / 512 - 2);
	assert_int_equal(guest_stats(guest).pages_4k, 1024);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPLIT_HUGE_PAGE), 2);
	assert_int_equal(flushes(guest), 1);
	for (uint64_t page = 0; page < PAGES; page += 63)
		assert_int_equal(guest_writable(guest, AT + page), page < 1024 || page >= 2048);
}

/* As without eager splitting: the leaf, and what is split off it later, has no right left. */
static void without_memory_a_leaf_is_protected_whole(void **state)
{
	struct race race = {.refuse = false};
	struct guest *guest = logged(state, &race, TDP_DIRTY_TRACK_WRPROT, TDP_2M);
	uint64_t bitmap[WORDS];

	race.refuse = true;
	clear_3_and_70(guest);
	race.refuse = false;
	/* Once for each word of the log; what is protected is protected. */
	guest_expect(guest, TDP_TRACE_SPLIT_HUGE_PAGE, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_SPLIT_HUGE_PAGE, TDP_TRACE_FLUSH);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPLIT_HUGE_PAGE, 0)->split.error,
			 ENOMEM_EVENT);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
	assert_false(guest_writable(guest, AT));
	expect_cleared(guest, 3, 70);
	/* Nothing is lost by it. */
	assert_int_equal(guest_touch(guest, AT + 3, TDP_WRITE), 1);
	assert_int_equal(guest_level(guest, AT), TDP_4K);
	assert_false(guest_writable(guest, AT + 4));
	assert_int_equal(log_read(guest, bitmap), PAGES - 1);
	assert_true(bitmap[0] >> 3 & 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_leaf_is_split_before_its_pages_are_protected),
		guest_tests(a_page_that_was_cleared_is_logged_again),
		guest_test_ept(with_dirty_flags_they_lose_those),
		guest_tests(all_regions_of_a_range_are_split),
		guest_tests(without_memory_a_leaf_is_protected_whole),
	};

	return cmocka_run_group_tests_name("mmu/clear_split", tests, NULL, NULL);
}
