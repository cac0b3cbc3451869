/*
 * The checker and the dirty log: it finds a page that could be written unnoticed and is not in the
 * log, in whichever log the page belongs. The test breaks the state directly.
 */
#include "support/logged.h"

#include <string.h>

#include <tdpsim/dirty.h>

#include "guest/dirty_ring.h"
#include "vm/vm.h"

struct found {
	unsigned int log, others;
};

static void count(void *context, enum tdp_invariant invariant, const char *sentence)
{
	struct found *found = context;

	(void)sentence;
	if (invariant == TDP_INVARIANT_LOG)
		found->log++;
	else
		found->others++;
}

/* How many leaves are found, and nothing else is. */
static unsigned int unlogged(struct guest *guest)
{
	struct found found = {0};

	tdp_vm_check(guest->vm, count, &found);
	assert_int_equal(found.others, 0);
	return found.log;
}

static struct guest *logged(void **state, struct guest_config config)
{
	struct guest *guest;

	config.vcpus = 2;
	guest = guest_make_as(state, &config);

	guest_slot(guest, 1, AT, PAGES, 0);
	for (unsigned int i = 0; i < 64; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	slot_logged(guest, true);
	return guest;
}

static struct dirty_log *log_of(struct guest *guest)
{
	return memslot_by_id(memslots_of(&guest->vm->memory, 0), 1)->log;
}

static void a_mark_lost_from_the_bitmap_is_found(void **state)
{
	struct guest *guest =
		logged(state, (struct guest_config){.policy.dirty_track = TDP_DIRTY_TRACK_WRPROT});

	guest_touch(guest, AT + 5, TDP_WRITE);
	guest_touch_on(guest->vcpus[1], AT + 9, TDP_WRITE);
	assert_int_equal(unlogged(guest), 0);
	dirty_log_take_masked(log_of(guest), 0, 1ULL << 9);
	assert_int_equal(unlogged(guest), 1);
	dirty_log_take(log_of(guest), 0);
	assert_int_equal(unlogged(guest), 2);
	dirty_log_mark(log_of(guest), 5);
	dirty_log_mark(log_of(guest), 9);
}

static void a_page_lost_from_the_cpus_log_is_found(void **state)
{
	struct guest *guest = logged(state, (struct guest_config){0});
	struct write_log *log = guest->vcpu->context.write_log;

	guest_touch(guest, AT + 5, TDP_WRITE);
	assert_int_equal(unlogged(guest), 0);
	u32_store_relaxed(&log->count, 0);
	assert_int_equal(unlogged(guest), 1);
	u32_store_relaxed(&log->count, 1);
	/* Nor after it has gone to the bitmap. */
	tdp_vcpu_exit(guest->vcpu);
	assert_int_equal(unlogged(guest), 0);
	dirty_log_take(log_of(guest), 0);
	assert_int_equal(unlogged(guest), 1);
	dirty_log_mark(log_of(guest), 5);
}

/* Writes a page and leaves to user space, as a HLT does. */
static struct guest *left_after_a_write(void **state, enum tdp_baseline baseline)
{
	struct guest *guest = logged(state, (struct guest_config){.vm.baseline = baseline});

	guest_touch(guest, AT + 5, TDP_WRITE);
	tdp_vcpu_exit(guest->vcpu);
	return guest;
}

static void a_page_that_6_18_leaves_in_the_cpus_log_is_found(void **state)
{
	struct guest *guest = left_after_a_write(state, TDP_BASELINE_6_18);

	assert_int_equal(unlogged(guest), 1);
	log_expect_none(guest);
	guest_touch(guest, AT + 100, TDP_READ); /* the exit takes the page out */
	assert_int_equal(unlogged(guest), 0);
	log_expect(guest, 5, 100);
}

static void no_page_stays_in_the_cpus_log_in_6_16(void **state)
{
	struct guest *guest = left_after_a_write(state, TDP_BASELINE_6_16);

	assert_int_equal(unlogged(guest), 0);
	log_expect(guest, 5);
}

static void no_page_stays_in_the_cpus_log_in_7_2(void **state)
{
	struct guest *guest = left_after_a_write(state, TDP_BASELINE_7_2);

	assert_int_equal(unlogged(guest), 0);
	log_expect(guest, 5);
}

static void an_entry_recycled_without_protection_is_found(void **state)
{
	struct guest *guest =
		logged(state, (struct guest_config){.policy.dirty_track = TDP_DIRTY_TRACK_WRPROT,
						    .vm.dirty_ring = 1024});
	struct dirty_ring *ring = guest->vcpu->context.dirty_ring;
	struct tdp_dirty_page page;

	guest_touch(guest, AT + 5, TDP_WRITE);
	assert_int_equal(unlogged(guest), 0);
	assert_int_equal(tdp_vcpu_harvest_dirty_ring(guest->vcpu, &page, 1), 1);
	assert_int_equal(unlogged(guest), 0);
	dirty_ring_recycle(ring, 1);
	assert_int_equal(unlogged(guest), 1);
	ring->reset--;
	assert_int_equal(unlogged(guest), 0);
}

/* Everything is marked from the start, and nothing protected: that is no loss. */
static void pages_marked_from_the_start_are_no_loss(void **state)
{
	struct guest *guest = logged(state, (struct guest_config){
						    .vm.manual_protect = TDP_MANUAL_PROTECT_ALL_SET,
						    .policy.dirty_track = TDP_DIRTY_TRACK_WRPROT,
					    });

	assert_int_equal(unlogged(guest), 0);
	log_clear(guest, 0, PAGES);
	assert_int_equal(unlogged(guest), 0);
	guest_touch(guest, AT + 5, TDP_WRITE);
	dirty_log_take(log_of(guest), 0);
	assert_int_equal(unlogged(guest), 1);
	dirty_log_mark(log_of(guest), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_mark_lost_from_the_bitmap_is_found),
		guest_test_ept(a_page_lost_from_the_cpus_log_is_found),
		guest_test_ept(a_page_that_6_18_leaves_in_the_cpus_log_is_found),
		guest_test_ept(no_page_stays_in_the_cpus_log_in_6_16),
		guest_test_ept(no_page_stays_in_the_cpus_log_in_7_2),
		guest_tests(an_entry_recycled_without_protection_is_found),
		guest_tests(pages_marked_from_the_start_are_no_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
