/*
 * TLB flushes: which changes owe one and which do not, that a flushed TLB is empty before the next
 * access, and that a flush waits for the vCPUs in guest mode and for no other.
 */
#include "support/guest.h"

#include "mmu/enter.h"
#include "vm/vm.h"

#define AT 0x40000ULL

static bool hit(struct tdp_vcpu *vcpu, uint64_t gfn, enum tdp_access access)
{
	struct tdp_access_request request = {.address = gfn << TDP_PAGE_SHIFT, .access = access};
	struct tdp_access_result result;

	assert_int_equal(tdp_vcpu_access(vcpu, &request, &result), 0);
	assert_int_equal(result.outcome, TDP_ACCESS_DONE);
	return result.tlb_hit;
}

/* None is owed */

static void filling_holes_owes_no_flush(void **state)
{
	struct guest *guest = guest_make(state, .vcpus = 2);

	guest_slot(guest, 1, AT, 1024, 0);
	for (unsigned int i = 0; i < 64; i++)
		guest_touch_on(guest->vcpus[i & 1], AT + i, i & 2 ? TDP_READ : TDP_WRITE);
	guest_access(guest, 0, TDP_READ);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
	assert_int_equal(guest_count(guest, TDP_TRACE_FLUSH), 0);
}

static void without_invalidations_the_second_access_hits(void **state)
{
	struct guest *guest = guest_make(state);

	guest_slot(guest, 1, AT, 1024, 0);
	for (unsigned int i = 0; i < 64; i++) {
		assert_false(hit(guest->vcpu, AT + i, TDP_WRITE));
		assert_true(hit(guest->vcpu, AT + i, TDP_WRITE));
		assert_true(hit(guest->vcpu, AT + i, TDP_READ));
	}
	assert_int_equal(guest_stats(guest).tlb_hits, 128);
}

static void every_access_either_hits_or_misses(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_stats stats;

	guest_slot(guest, 1, AT, 1024, 0);
	for (unsigned int i = 0; i < 64; i++)
		guest_touch(guest, AT + i % 16, TDP_WRITE);
	stats = guest_stats(guest);
	assert_int_equal(stats.accesses, 64);
	assert_int_equal(stats.tlb_hits, 48);
	/* Each first touch misses, faults and misses again. */
	assert_int_equal(stats.tlb_misses, 32);
	assert_int_equal(stats.exits, 16);
}

static void a_vcpu_without_a_tlb_walks_every_time(void **state)
{
	struct guest *guest = guest_make(state, .vcpu.no_tlb = true);

	guest_slot(guest, 1, AT, 16, 0);
	for (unsigned int i = 0; i < 8; i++)
		assert_false(hit(guest->vcpu, AT, TDP_WRITE));
	assert_int_equal(guest_stats(guest).tlb_hits, 0);
}

/* One is owed */

static void a_flush_empties_every_vcpus_tlb(void **state)
{
	struct guest *guest = guest_make(state, .vcpus = 3);

	guest_slot(guest, 1, AT, 1024, 0);
	for (unsigned int i = 0; i < 3; i++) {
		hit(guest->vcpus[i], AT, TDP_WRITE);
		hit(guest->vcpus[i], AT + 1, TDP_WRITE);
		assert_true(hit(guest->vcpus[i], AT + 1, TDP_WRITE));
	}
	guest_discard(guest, 0, 1);
	/* A flush is all or nothing: the other page is looked up anew as well. */
	for (unsigned int i = 0; i < 3; i++)
		assert_false(hit(guest->vcpus[i], AT + 1, TDP_WRITE));
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 1);
}

static void an_unmapped_page_is_not_reached_through_the_tlb(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest_slot(guest, 1, AT, 16, 0);
	hit(guest->vcpu, AT, TDP_WRITE);
	assert_true(hit(guest->vcpu, AT, TDP_WRITE));
	tdp_mmu_zap_range(guest->vm, tdp_gfn(AT), 1);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 1);
}

static void flushes_are_counted_when_somebody_was_inside(void **state)
{
	struct guest *guest = guest_make(state);

	guest_slot(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_discard(guest, 0, 1);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 1);
	/* The vCPU was outside: there was none to wait for. */
	assert_int_equal(guest_stats(guest).remote_tlb_flush, 0);
}

static void emptying_ones_own_tlb_is_no_remote_flush(void **state)
{
	struct guest *guest = guest_make(state, .vcpus = 2);

	guest_slot(guest, 1, AT, 16, 0);
	hit(guest->vcpus[0], AT, TDP_WRITE);
	hit(guest->vcpus[1], AT, TDP_WRITE);
	tdp_vcpu_flush_tlb(guest->vcpus[0]);
	assert_false(hit(guest->vcpus[0], AT, TDP_WRITE));
	assert_true(hit(guest->vcpus[1], AT, TDP_WRITE));
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
	assert_int_equal(guest_count(guest, TDP_TRACE_FLUSH), 0);
}

/* The protocol: a vCPU that stands inside while another task flushes. */

struct inside {
	struct guest *guest;
	struct tdp_flag *entered, *flushed;
	atomic_u32 left;
};

/* 0 if the flush had not returned by the time the vCPU left. */
static int stand_inside(struct tdp_actor *self, void *arg)
{
	struct inside *inside = arg;
	struct mmu_context *context = &inside->guest->vcpu->context;
	unsigned int rounds = 0;
	bool too_early = false;

	(void)self;
	if (!mmu_guest_enter(context))
		return -1;
	tdp_flag_raise(inside->entered);
	for (unsigned int i = 0; i < 200; i++) {
		too_early |= tdp_flag_raised(inside->flushed);
		tdp_pause(&rounds);
	}
	too_early |= tdp_flag_raised(inside->flushed);
	u32_store_release(&inside->left, 1);
	mmu_guest_leave(context);
	return too_early ? -2 : 0;
}

/* 0 if the vCPU was outside when the flush returned. */
static int flush_them(struct tdp_actor *self, void *arg)
{
	struct inside *inside = arg;
	struct mmu_actor *task = mmu_task_get(&inside->guest->vm->mmu);
	unsigned int rounds = 0;
	int verdict;

	(void)self;
	while (!tdp_flag_raised(inside->entered))
		tdp_pause(&rounds);
	mmu_flush_all(task);
	verdict = u32_load_acquire(&inside->left) ? 0 : -3;
	tdp_flag_raise(inside->flushed);
	mmu_task_put(task);
	return verdict;
}

static void a_flush_waits_for_the_vcpu_that_is_inside(void **state)
{
	struct guest *guest = guest_make(state, .untraced = true);
	struct inside inside = {.guest = guest};
	struct tdp_actor_config actors[] = {
		{.body = stand_inside, .arg = &inside},
		{.body = flush_them, .arg = &inside},
	};

	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	assert_int_equal(tdp_flag_create(&inside.entered), 0);
	assert_int_equal(tdp_flag_create(&inside.flushed), 0);
	assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
	tdp_flag_destroy(inside.entered);
	tdp_flag_destroy(inside.flushed);
	assert_int_equal(guest_stats(guest).remote_tlb_flush, 1);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 1);
}

static void a_request_is_served_before_guest_mode_is_entered(void **state)
{
	struct guest *guest = guest_make(state);
	struct mmu_context *context = &guest->vcpu->context;
	struct mmu_actor *task = mmu_task_get(&guest->vm->mmu);

	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	assert_true(mmu_guest_enter(context));
	mmu_guest_leave(context);
	mmu_request_all(task, REQUEST_FREE_OBSOLETE_ROOTS);
	mmu_task_put(task);
	assert_false(mmu_guest_enter(context));
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	assert_true(mmu_guest_enter(context));
	mmu_guest_leave(context);
}

static void many_flushes_in_a_row_empty_the_tlb_once(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	uint64_t before;

	guest_slot(guest, 1, AT, 64, 0);
	for (unsigned int i = 0; i < 8; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	before = guest_stats(guest).tlb_flush;
	for (unsigned int i = 0; i < 8; i++)
		tdp_mmu_zap_range(guest->vm, tdp_gfn(AT + i), 1);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 8);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_stats(guest).tlb_flush, before + 1);
}

/* Policy range_flush exact */

static void an_exact_flush_takes_what_lies_in_its_range(void **state)
{
	struct guest *guest =
		guest_make(state, .scripted = true, .policy.range_flush = TDP_RANGE_FLUSH_EXACT);

	guest_slot(guest, 1, AT, 64, 0);
	for (unsigned int i = 0; i < 4; i++)
		hit(guest->vcpu, AT + i, TDP_WRITE);
	tdp_mmu_zap_range(guest->vm, tdp_gfn(AT + 1), 2);
	assert_true(hit(guest->vcpu, AT, TDP_WRITE));
	assert_true(hit(guest->vcpu, AT + 3, TDP_WRITE));
	assert_false(hit(guest->vcpu, AT + 1, TDP_WRITE));
	assert_false(hit(guest->vcpu, AT + 2, TDP_WRITE));
	assert_int_equal(guest_violations(guest), 0);
}

static void several_exact_flushes_are_all_made_at_once(void **state)
{
	struct guest *guest =
		guest_make(state, .scripted = true, .policy.range_flush = TDP_RANGE_FLUSH_EXACT);

	guest_slot(guest, 1, AT, 64, 0);
	for (unsigned int i = 0; i < 64; i++)
		hit(guest->vcpu, AT + i, TDP_WRITE);
	for (unsigned int i = 0; i < FLUSH_QUEUE_RANGES; i++)
		tdp_mmu_zap_range(guest->vm, tdp_gfn(AT + 2 * i), 1);
	for (unsigned int i = 0; i < FLUSH_QUEUE_RANGES; i++) {
		assert_true(hit(guest->vcpu, AT + 2 * i + 1, TDP_WRITE));
		assert_false(hit(guest->vcpu, AT + 2 * i, TDP_WRITE));
	}
}

static void more_ranges_than_are_kept_become_a_full_flush(void **state)
{
	struct guest *guest =
		guest_make(state, .scripted = true, .policy.range_flush = TDP_RANGE_FLUSH_EXACT);

	guest_slot(guest, 1, AT, 64, 0);
	for (unsigned int i = 0; i < 64; i++)
		hit(guest->vcpu, AT + i, TDP_WRITE);
	for (unsigned int i = 0; i <= FLUSH_QUEUE_RANGES; i++)
		tdp_mmu_zap_range(guest->vm, tdp_gfn(AT + 2 * i), 1);
	assert_false(hit(guest->vcpu, AT + 2 * FLUSH_QUEUE_RANGES, TDP_WRITE));
	assert_false(hit(guest->vcpu, AT + 63, TDP_WRITE));
	/* It is not remembered: the next one is exact again. */
	tdp_mmu_zap_range(guest->vm, tdp_gfn(AT), 1);
	assert_true(hit(guest->vcpu, AT + 63, TDP_WRITE));
}

static void an_exact_flush_of_everything_takes_everything(void **state)
{
	struct guest *guest = guest_make(state, .policy.range_flush = TDP_RANGE_FLUSH_EXACT);

	guest_slot(guest, 1, AT, 1024, 0);
	hit(guest->vcpu, AT, TDP_WRITE);
	hit(guest->vcpu, AT + 1, TDP_WRITE);
	guest_discard(guest, 0, 1);
	assert_false(hit(guest->vcpu, AT + 1, TDP_WRITE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(filling_holes_owes_no_flush),
		guest_tests(without_invalidations_the_second_access_hits),
		guest_tests(every_access_either_hits_or_misses),
		guest_test(a_vcpu_without_a_tlb_walks_every_time),
		guest_tests(a_flush_empties_every_vcpus_tlb),
		guest_tests(an_unmapped_page_is_not_reached_through_the_tlb),
		guest_test(flushes_are_counted_when_somebody_was_inside),
		guest_test(emptying_ones_own_tlb_is_no_remote_flush),
		guest_test(a_flush_waits_for_the_vcpu_that_is_inside),
		guest_test(a_request_is_served_before_guest_mode_is_entered),
		guest_test(many_flushes_in_a_row_empty_the_tlb_once),
		guest_tests(an_exact_flush_takes_what_lies_in_its_range),
		guest_test(several_exact_flushes_are_all_made_at_once),
		guest_test(more_ranges_than_are_kept_become_a_full_flush),
		guest_test(an_exact_flush_of_everything_takes_everything),
	};

	return cmocka_run_group_tests_name("mmu/flush", tests, NULL, NULL);
}
