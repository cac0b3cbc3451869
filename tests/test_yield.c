/*
 * Yielding: a long zap drops mmu_lock for a waiting actor, after the flush that it owes, and
 * continues where it stopped. The waiter comes at a known moment: the zap's first changes.
 */
#include "support/guest.h"

#include "mmu/zap.h"
#include "vm/vm.h"

#define AT    0x40000ULL
#define PAGES 1200 /* over three tables */

struct race {
	struct guest *guest;
	struct tdp_flag *zapping;
	bool exclusive;	    /* how the waiting one wants the lock */
	unsigned int after; /* so many changes */
	struct tdp_stats then;
	void (*zap)(struct guest *guest);
};

/* In the zap, under mmu_lock: waits until another actor waits for it. */
static void wait_for_the_other(struct guest *guest, const struct tdp_trace_event *event)
{
	struct race *race = guest->race;
	unsigned int rounds = 0;

	if (event->kind != TDP_TRACE_SPTE_CHANGED || race->after-- != 0)
		return;
	guest->on_event = NULL;
	tdp_flag_raise(race->zapping);
	while (!rwlock_contended(&guest->vm->mmu.lock))
		tdp_pause(&rounds);
}

static int zap(struct tdp_actor *self, void *arg)
{
	struct race *race = arg;

	(void)self;
	race->zap(race->guest);
	return 0;
}

static int come_between(struct tdp_actor *self, void *arg)
{
	struct race *race = arg;
	struct mmu_actor *task = mmu_task_get(&race->guest->vm->mmu);
	unsigned int rounds = 0;

	(void)self;
	while (!tdp_flag_raised(race->zapping))
		tdp_pause(&rounds);
	if (race->exclusive) {
		struct mmu_exclusive exclusive = mmu_lock_exclusive(task);

		race->then = guest_stats(race->guest);
		mmu_unlock_exclusive(exclusive);
	} else {
		struct mmu_shared shared = mmu_lock_shared(task);

		race->then = guest_stats(race->guest);
		mmu_unlock_shared(shared);
	}
	mmu_task_put(task);
	return 0;
}

static struct guest *run(void **state, struct race *race)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_actor_config actors[] = {
		{.body = zap, .arg = race},
		{.body = come_between, .arg = race},
	};

	guest_slot(guest, 1, AT, 4096, 0);
	for (unsigned int i = 0; i < PAGES; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	race->guest = guest;
	guest->race = race;
	guest_forget(guest);
	guest->on_event = wait_for_the_other;
	assert_int_equal(tdp_flag_create(&race->zapping), 0);
	assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
	tdp_flag_destroy(race->zapping);
	return guest;
}

static void zap_range(struct guest *guest)
{
	tdp_mmu_zap_range(guest->vm, tdp_gfn(AT), PAGES);
}

static void discard(struct guest *guest)
{
	uint64_t hva = guest->backing->hva;

	tdp_host_invalidate_begin(guest->host, hva, hva + PAGES * TDP_PAGE_SIZE);
	tdp_host_invalidate_end(guest->host, hva, hva + PAGES * TDP_PAGE_SIZE);
}

static void check_leaf_zap(struct guest *guest, const struct race *race)
{
	/* It yielded long before its end, and had made its flush by then. */
	assert_true(race->then.pages_4k > 0 && race->then.pages_4k < PAGES);
	assert_int_equal(race->then.remote_tlb_flush_requests, 1);
	/* And went on where it stopped: none is left, none was met twice. */
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), PAGES);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 2);
}

static void a_range_zap_flushes_and_gives_way(void **state)
{
	struct race race = {.zap = zap_range};

	check_leaf_zap(run(state, &race), &race);
}

static void it_gives_way_in_the_middle_of_the_range_too(void **state)
{
	struct race race = {.zap = zap_range, .after = 700};

	check_leaf_zap(run(state, &race), &race);
}

static void at_the_end_of_a_table_nothing_is_skipped(void **state)
{
	struct race race = {.zap = zap_range, .after = 511};

	check_leaf_zap(run(state, &race), &race);
}

static void zap_more(struct guest *guest)
{
	tdp_mmu_zap_range(guest->vm, tdp_gfn(AT), 4096);
}

static void what_was_flushed_on_the_way_is_not_flushed_again(void **state)
{
	struct race race = {.zap = zap_more, .after = PAGES - 1};
	struct guest *guest = run(state, &race);

	assert_int_equal(race.then.remote_tlb_flush_requests, 1);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 1);
}

static void an_unmap_of_the_host_gives_way_likewise(void **state)
{
	struct race race = {.zap = discard, .after = 9};

	check_leaf_zap(run(state, &race), &race);
}

static void drop_roots(struct guest *guest)
{
	tdp_mmu_zap_all_fast(guest->vm);
}

static void a_root_zap_gives_way_to_a_writer_and_owes_nothing(void **state)
{
	struct race race = {.zap = drop_roots, .after = 20, .exclusive = true};
	struct guest *guest = run(state, &race);

	assert_true(race.then.pages_4k > 0 && race.then.pages_4k < PAGES);
	assert_int_equal(race.then.remote_tlb_flush_requests, 0);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).tables, 0);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_range_zap_flushes_and_gives_way),
		guest_test(it_gives_way_in_the_middle_of_the_range_too),
		guest_test(at_the_end_of_a_table_nothing_is_skipped),
		guest_test(what_was_flushed_on_the_way_is_not_flushed_again),
		guest_test(an_unmap_of_the_host_gives_way_likewise),
		guest_tests(a_root_zap_gives_way_to_a_writer_and_owes_nothing),
	};

	return cmocka_run_group_tests_name("mmu/yield", tests, NULL, NULL);
}
