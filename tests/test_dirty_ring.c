/*
 * The dirty ring: what is pushed, that a full ring keeps its vCPU out of the guest, and
 * what harvesting and resetting do.
 */
#include "support/logged.h"

#include <errno.h>

#include "vm/vm.h"

#define SIZE	 1024
#define RESERVED 64

static struct guest *guest_with(void **state, struct guest_config config)
{
	struct guest *guest;

	if (!config.vm.dirty_ring)
		config.vm.dirty_ring = SIZE;
	config.vcpus = 2;
	config.policy.eager_split = TDP_OFF;
	guest = guest_make_as(state, &config);
	guest_slot(guest, 1, AT, PAGES, 0);
	return guest;
}

/* Writes are found by protection; every page is mapped, then logged. */
static struct guest *logged(void **state)
{
	struct guest *guest = guest_with(
		state, (struct guest_config){.policy.dirty_track = TDP_DIRTY_TRACK_WRPROT});

	for (unsigned int i = 0; i < 2048; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	slot_logged(guest, true);
	guest_forget(guest);
	return guest;
}

static size_t harvest(struct guest *guest, struct tdp_dirty_page *pages, size_t count)
{
	return tdp_vcpu_harvest_dirty_ring(guest->vcpu, pages, count);
}

static uint64_t reset(struct guest *guest)
{
	uint64_t count = ~0ULL;

	assert_int_equal(tdp_vm_reset_dirty_rings(guest->vm, &count), 0);
	return count;
}

static bool kept_out(struct guest *guest, uint64_t gfn, enum tdp_access access)
{
	return guest_access(guest, gfn << TDP_PAGE_SHIFT, access).outcome == TDP_ACCESS_RING_FULL;
}

/* The last write fills the ring in its fault, and is not let back in to be made. */
static void fill(struct guest *guest, unsigned int limit)
{
	for (unsigned int i = 0; i < limit - 1; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	assert_true(kept_out(guest, AT + limit - 1, TDP_WRITE));
	assert_true(guest_writable(guest, AT + limit - 1));
}

static void a_written_page_is_pushed_to_its_writers_ring(void **state)
{
	struct guest *guest = logged(state);
	const struct tdp_trace_event *event;
	struct tdp_dirty_page page;

	guest_touch_on(guest->vcpus[1], AT + 6, TDP_READ); /* loads the root */
	guest_forget(guest);
	guest_touch_on(guest->vcpus[1], AT + 5, TDP_WRITE);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_MARK_DIRTY, TDP_TRACE_DIRTY_RING_PUSH,
		     TDP_TRACE_FAST_PAGE_FAULT, TDP_TRACE_FAULT_RETURN);
	event = guest_event(guest, TDP_TRACE_DIRTY_RING_PUSH, 0);
	assert_int_equal(event->dirty_ring.ring, 1);
	assert_int_equal(event->dirty_ring.dirty, 1);
	assert_int_equal(event->dirty_ring.reset, 0);
	assert_int_equal(event->dirty_ring.slot, 1);
	assert_int_equal(event->dirty_ring.offset, 5);
	assert_int_equal(harvest(guest, &page, 1), 0);
	assert_int_equal(tdp_vcpu_harvest_dirty_ring(guest->vcpus[1], &page, 1), 1);
	assert_true(page.address_space == 0 && page.slot == 1 && page.offset == 5);
}

static void pages_are_harvested_in_order_and_once(void **state)
{
	struct guest *guest = logged(state);
	struct tdp_dirty_page pages[3];

	guest_touch(guest, AT + 9, TDP_WRITE);
	guest_touch(guest, AT + 3, TDP_WRITE);
	guest_touch(guest, AT + 70, TDP_WRITE);
	assert_int_equal(harvest(guest, pages, 2), 2);
	assert_true(pages[0].offset == 9 && pages[1].offset == 3);
	assert_int_equal(harvest(guest, pages, 3), 1);
	assert_int_equal(pages[0].offset, 70);
	assert_int_equal(harvest(guest, pages, 3), 0);
}

static void a_reset_protects_what_was_harvested_and_flushes_once(void **state)
{
	struct guest *guest = logged(state);
	struct tdp_dirty_page pages[2];

	guest_touch(guest, AT + 9, TDP_WRITE);
	guest_touch(guest, AT + 600, TDP_WRITE);
	guest_touch(guest, AT + 10, TDP_WRITE);
	harvest(guest, pages, 2);
	guest_forget(guest);
	assert_int_equal(reset(guest), 2);
	guest_expect(guest, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_DIRTY_RING_RESET, TDP_TRACE_DIRTY_RING_RESET, TDP_TRACE_FLUSH);
	assert_int_equal(guest_event(guest, TDP_TRACE_DIRTY_RING_RESET, 0)->dirty_ring.ring, 0);
	assert_int_equal(guest_event(guest, TDP_TRACE_DIRTY_RING_RESET, 0)->dirty_ring.reset, 2);
	assert_false(guest_writable(guest, AT + 9));
	assert_false(guest_writable(guest, AT + 600));
	assert_true(guest_writable(guest, AT + 10));
	assert_int_equal(guest_touch(guest, AT + 9, TDP_WRITE), 1);
	assert_int_equal(harvest(guest, pages, 2), 2);
	assert_true(pages[0].offset == 10 && pages[1].offset == 9);
}

static void a_reset_of_nothing_owes_no_flush(void **state)
{
	struct guest *guest = logged(state);

	guest_touch(guest, AT + 9, TDP_WRITE);
	guest_forget(guest);
	assert_int_equal(reset(guest), 0);
	guest_expect(guest, TDP_TRACE_DIRTY_RING_RESET, TDP_TRACE_DIRTY_RING_RESET);
	assert_true(guest_writable(guest, AT + 9));
	assert_int_equal(tdp_vm_reset_dirty_rings(guest->vm, NULL), 0);
}

/* Forwards, backwards, too far, in another slot: all are protected. */
static void neighbours_are_protected_whatever_their_order(void **state)
{
	static const uint64_t order[] = {100, 130, 90, 163, 164, 40, 39, 300, 1, 250, 64, 0};
	struct guest *guest = logged(state);
	struct tdp_dirty_page pages[16];
	size_t count = sizeof(order) / sizeof(order[0]);

	guest_slot(guest, 2, 2 * AT, 64, 2048);
	slot_logged_as(guest, 2, 2 * AT, 64, 2048);
	for (size_t i = 0; i < count; i++) {
		guest_touch(guest, AT + order[i], TDP_WRITE);
		if (i == 4)
			guest_touch(guest, 2 * AT + 3, TDP_WRITE);
	}
	guest_touch(guest, AT + 101, TDP_WRITE);
	assert_int_equal(harvest(guest, pages, count + 1), count + 1);
	assert_int_equal(reset(guest), count + 1);
	for (size_t i = 0; i < count; i++)
		assert_false(guest_writable(guest, AT + order[i]));
	assert_false(guest_writable(guest, 2 * AT + 3));
	assert_true(guest_writable(guest, AT + 101));
}

static void a_full_ring_keeps_its_vcpu_out(void **state)
{
	struct guest *guest = logged(state);
	unsigned int limit = SIZE - RESERVED;
	struct tdp_dirty_page pages[SIZE];

	fill(guest, limit);
	guest_forget(guest);
	/* Reading, too: it does not get into the guest at all. */
	assert_true(kept_out(guest, AT, TDP_READ));
	guest_expect(guest, TDP_TRACE_DIRTY_RING_EXIT);
	guest_touch_on(guest->vcpus[1], AT + 2000, TDP_WRITE);
	assert_int_equal(harvest(guest, pages, SIZE), limit);
	assert_true(kept_out(guest, AT, TDP_READ));
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	assert_int_equal(reset(guest), limit);
	assert_int_equal(guest_touch(guest, AT + limit, TDP_WRITE), 1);
}

static void one_recycled_entry_is_enough_to_go_on(void **state)
{
	struct guest *guest = logged(state);
	struct tdp_dirty_page page;

	fill(guest, SIZE - RESERVED);
	harvest(guest, &page, 1);
	assert_int_equal(reset(guest), 1);
	guest_touch(guest, AT + 1, TDP_WRITE); /* no right is missing */
	assert_true(kept_out(guest, AT + 2000, TDP_WRITE));
}

/* Faults that are handled without entering the guest end where the ring does. */
static void a_fault_that_finds_no_room_is_left_alone(void **state)
{
	struct guest *guest = logged(state);
	enum tdp_fault_result result = TDP_FAULT_FIXED;
	bool npt = guest->config.vm.format == TDP_NPT;
	unsigned int fixed = 0;

	while (result == TDP_FAULT_FIXED && fixed < 2 * SIZE) {
		struct tdp_fault fault = {
			.gpa = (AT + fixed) << TDP_PAGE_SHIFT,
			.error_code = npt ? 0x100000007 : 0x1aa,
		};

		assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
		fixed += result == TDP_FAULT_FIXED;
	}
	assert_int_equal(fixed, SIZE);
	assert_int_equal(result, TDP_FAULT_RETRY);
	assert_false(guest_writable(guest, AT + SIZE));
}

static void what_the_cpu_logged_is_harvested_too(void **state)
{
	struct guest *guest = guest_with(state, (struct guest_config){0});
	struct tdp_dirty_page pages[4];

	for (unsigned int i = 0; i < 64; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	slot_logged(guest, true);
	assert_int_equal(guest_touch(guest, AT + 9, TDP_WRITE), 0);
	assert_int_equal(guest_touch(guest, AT + 3, TDP_WRITE), 0);
	assert_int_equal(harvest(guest, pages, 4), 2);
	assert_true(pages[0].offset == 9 && pages[1].offset == 3);
	assert_int_equal(reset(guest), 2);
	assert_int_equal(guest_touch(guest, AT + 3, TDP_WRITE), 0);
	assert_int_equal(harvest(guest, pages, 4), 1);
}

/* Room is kept for a whole log of the CPU. */
static void a_full_log_of_the_cpu_fits_into_a_ring_that_is_almost_full(void **state)
{
	struct guest *guest = guest_with(state, (struct guest_config){0});
	unsigned int limit = SIZE - RESERVED - 512, written = 0;

	for (unsigned int i = 0; i < 2048; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	slot_logged(guest, true);
	for (; written < limit - 1; written++)
		guest_touch(guest, AT + written, TDP_WRITE);
	tdp_vcpu_exit(guest->vcpu);
	for (; written < limit - 1 + 512; written++)
		guest_touch(guest, AT + written, TDP_WRITE);
	assert_true(kept_out(guest, AT + written, TDP_WRITE));
	assert_int_equal(guest_count(guest, TDP_TRACE_DIRTY_RING_PUSH), limit - 1 + 512);
}

static void entries_of_a_slot_that_is_gone_are_recycled(void **state)
{
	struct guest *guest = logged(state);
	struct tdp_dirty_page pages[4];

	guest_touch(guest, AT + 9, TDP_WRITE);
	guest_touch(guest, AT + 100, TDP_WRITE);
	guest_slot_delete(guest, 1);
	harvest(guest, pages, 1);
	assert_int_equal(reset(guest), 1);
	/* A smaller one by the same name. */
	guest_slot(guest, 1, AT, 64, 0);
	guest_touch(guest, AT + 9, TDP_WRITE);
	harvest(guest, pages, 4);
	assert_int_equal(reset(guest), 1);
	assert_true(guest_writable(guest, AT + 9));
}

static void each_address_space_is_named(void **state)
{
	struct guest *guest = logged(state);
	struct tdp_memslot slot = logged_slot_of(guest, 7, AT, PAGES, 0);
	struct tdp_dirty_page page;

	slot.address_space = 1;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, true), 0);
	guest_touch(guest, AT + 2, TDP_WRITE);
	assert_int_equal(harvest(guest, &page, 1), 1);
	assert_true(page.address_space == 1 && page.slot == 7 && page.offset == 2);
	assert_int_equal(guest_event(guest, TDP_TRACE_DIRTY_RING_PUSH, 0)->dirty_ring.slot,
			 1 << 16 | 7);
	assert_int_equal(reset(guest), 1);
	assert_false(guest_writable(guest, AT + 2));
}

static void with_rings_alone_there_are_no_bitmaps(void **state)
{
	struct guest *guest = logged(state);
	uint64_t bitmap[WORDS] = {~0ULL};

	guest_touch(guest, AT, TDP_WRITE);
	guest_refused(guest, tdp_vm_get_dirty_log(guest->vm, 0, 1, bitmap, WORDS), -ENXIO);
	guest_refused(guest, tdp_vm_clear_dirty_log(guest->vm, 0, 1, 0, 64, bitmap), -ENXIO);
	assert_true(guest_writable(guest, AT));
}

static void a_bitmap_beside_the_rings_stays_for_others_than_vcpus(void **state)
{
	struct guest *guest = guest_with(
		state, (struct guest_config){.vm.dirty_ring_with_bitmap = true,
					     .policy.dirty_track = TDP_DIRTY_TRACK_WRPROT});
	struct tdp_dirty_page page;

	slot_logged(guest, true);
	guest_touch(guest, AT + 4, TDP_WRITE);
	log_expect_none(guest);
	assert_int_equal(harvest(guest, &page, 1), 1);
}

static void with_bitmaps_alone_there_are_no_rings(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_dirty_page page;

	assert_int_equal(harvest(guest, &page, 1), 0);
	guest_refused(guest, tdp_vm_reset_dirty_rings(guest->vm, NULL), -EINVAL);
}

static void create_refused(void **state, struct tdp_vm_config config)
{
	struct guest *guest = guest_make_host(state);
	struct tdp_vm *vm = NULL;

	config.format = guest->config.vm.format;
	guest_refused(guest, tdp_vm_create(guest->host, &config, &vm), -EINVAL);
	assert_null(vm);
}

static void a_ring_that_the_cpus_log_would_fill_is_refused(void **state)
{
	create_refused(state, (struct tdp_vm_config){.dirty_ring = 512});
}

static void rings_alone_cannot_begin_with_every_page(void **state)
{
	create_refused(state, (struct tdp_vm_config){.dirty_ring = SIZE,
						     .manual_protect = TDP_MANUAL_PROTECT_ALL_SET});
}

static void the_smallest_ring_holds_448(void **state)
{
	struct guest *guest = guest_with(
		state, (struct guest_config){.vm.dirty_ring = 512,
					     .policy.dirty_track = TDP_DIRTY_TRACK_WRPROT});

	slot_logged(guest, true);
	fill(guest, 448);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_written_page_is_pushed_to_its_writers_ring),
		guest_tests(pages_are_harvested_in_order_and_once),
		guest_tests(a_reset_protects_what_was_harvested_and_flushes_once),
		guest_tests(a_reset_of_nothing_owes_no_flush),
		guest_tests(neighbours_are_protected_whatever_their_order),
		guest_tests(a_full_ring_keeps_its_vcpu_out),
		guest_tests(one_recycled_entry_is_enough_to_go_on),
		guest_tests(a_fault_that_finds_no_room_is_left_alone),
		guest_test_ept(what_the_cpu_logged_is_harvested_too),
		guest_test_ept(a_full_log_of_the_cpu_fits_into_a_ring_that_is_almost_full),
		guest_tests(entries_of_a_slot_that_is_gone_are_recycled),
		guest_tests(each_address_space_is_named),
		guest_tests(with_rings_alone_there_are_no_bitmaps),
		guest_tests(a_bitmap_beside_the_rings_stays_for_others_than_vcpus),
		guest_tests(with_bitmaps_alone_there_are_no_rings),
		guest_test_ept(a_ring_that_the_cpus_log_would_fill_is_refused),
		guest_tests(rings_alone_cannot_begin_with_every_page),
		guest_tests(the_smallest_ring_holds_448),
	};

	return cmocka_run_group_tests_name("dirty/ring", tests, NULL, NULL);
}
