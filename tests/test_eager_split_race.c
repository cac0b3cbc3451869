/*
 * Eager page splitting against other actors: it drops mmu_lock for every table that it allocates,
 * yields, and may find no memory.
 */
#include "support/inside.h"

#include "mmu/split.h"

#define AT INSIDE_AT

static const struct guest_config scripted = {.scripted = true};

static void split(struct guest *guest)
{
	inside_do(guest, 1, mmu_split_slot);
}

/* Other actors in between. The allocator's hook runs at the moment when the split holds no lock. */

struct race {
	struct guest *guest;
	int after; /* so many allocations of tables, or events */
	void (*then)(struct guest *guest);
	bool refuse;
	struct tdp_flag *splitting;
	bool exclusive; /* how the waiting one wants the lock */
	struct tdp_stats seen;
};

static bool at_allocation(void *context, enum tdp_allocation allocation)
{
	struct race *race = context;

	if (!race->guest || allocation != TDP_ALLOCATE_TABLE_FRAME || race->after-- != 0)
		return false;
	assert_null(inside_section(race->guest));
	assert_false(rwlock_contended(&race->guest->vm->mmu.lock));
	if (race->then)
		race->then(race->guest);
	return race->refuse;
}

/* Arms the race only when the leaves are there. */
static struct guest *raced(void **state, struct race *race, enum tdp_level level, uint64_t pages)
{
	struct guest *guest = inside_mapped(state,
					    &(struct guest_config){.scripted = true,
								   .host.fail = at_allocation,
								   .host.fail_context = race},
					    level, pages);

	race->guest = guest;
	guest->race = race;
	return guest;
}

static void out_of_memory_the_rest_stays_huge(void **state)
{
	struct race race = {.after = 3, .refuse = true};
	struct guest *guest = raced(state, &race, TDP_2M, 8 * 512);
	const struct tdp_trace_event *split_event;
	uint64_t huge = guest_entry(guest, AT + 3 * 512);

	split(guest);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPLIT_HUGE_PAGE), 4);
	split_event = guest_event(guest, TDP_TRACE_SPLIT_HUGE_PAGE, 3);
	assert_int_equal(split_event->split.error, -12);
	assert_int_equal(split_event->split.gfn, AT + 3 * 512);
	assert_int_equal(split_event->split.entry, huge);
	assert_int_equal(split_event->split.level, TDP_2M);
	assert_int_equal(guest->events[guest->event_count - 1].kind, TDP_TRACE_SPLIT_HUGE_PAGE);
	assert_int_equal(guest_stats(guest).pages_4k, 3 * 512);
	assert_int_equal(guest_stats(guest).pages_2m, 5);
	/* Harmless: a later one does what is left. */
	split(guest);
	assert_int_equal(guest_stats(guest).pages_2m, 0);
	assert_int_equal(guest_stats(guest).pages_4k, 8 * 512);
}

static void out_of_memory_the_other_roots_stay_huge_too(void **state)
{
	struct race race = {.refuse = true};
	struct guest *guest =
		guest_make(state, .scripted = true, .vm.levels = 5, .vm.format = TDP_EPT,
			   .host.fail = at_allocation, .host.fail_context = &race);
	struct tdp_vcpu_config narrow = {.maxphyaddr = 40};
	struct tdp_vcpu *second;

	assert_int_equal(tdp_vcpu_create(guest->vm, &narrow, &second), 0);
	guest->script.level = TDP_2M;
	guest_slot(guest, 1, AT, 512, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_touch_on(second, AT, TDP_WRITE);
	guest_forget(guest);
	race.guest = guest;
	split(guest);
	guest_expect(guest, TDP_TRACE_SPLIT_HUGE_PAGE);
	assert_int_equal(guest_stats(guest).pages_2m, 2);
}

static void out_of_memory_a_1g_leaf_stays_half_split(void **state)
{
	struct race race = {.after = 2, .refuse = true};
	struct guest *guest = raced(state, &race, TDP_1G, 1 << 18);

	split(guest);
	assert_int_equal(guest_stats(guest).pages_1g, 0);
	assert_int_equal(guest_stats(guest).pages_2m, 511);
	assert_int_equal(guest_stats(guest).pages_4k, 512);
	for (uint64_t gfn = AT; gfn < AT + (1 << 18); gfn += 509)
		assert_int_equal(guest_touch(guest, gfn, TDP_WRITE), 0);
}

static void out_of_memory_a_mask_leaves_the_lock_as_it_was(void **state)
{
	struct race race = {.refuse = true};
	struct guest *guest = raced(state, &race, TDP_2M, 1024);

	inside_split_masked(guest, 0, ~0ULL);
	guest_expect(guest, TDP_TRACE_SPLIT_HUGE_PAGE);
	assert_int_equal(guest_stats(guest).pages_2m, 2);
	inside_split_masked(guest, 0, ~0ULL);
	assert_int_equal(guest_stats(guest).pages_2m, 1);
}

/* A fault that wants the region small splits it itself (test_split.c). */
static void a_vcpu_splits_it(struct guest *guest)
{
	struct tdp_fault fault = {.gpa = (AT + 5) << TDP_PAGE_SHIFT, .error_code = 0x100000006};
	enum tdp_fault_result result;

	if (guest->config.vm.format == TDP_EPT)
		fault.error_code = 0x182;
	guest->script.level = TDP_4K;
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	assert_int_equal(guest_stats(guest).pages_4k, 512);
}

static void a_table_that_is_not_needed_any_more_goes_back(void **state)
{
	struct race race = {.then = a_vcpu_splits_it};
	struct guest *guest = raced(state, &race, TDP_2M, 512);

	split(guest);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPLIT_HUGE_PAGE), 1);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPLIT_HUGE_PAGE, 0)->vcpu, 0);
	assert_int_equal(guest_stats(guest).tables, 3);
	/* The teardown counts the table frames. */
}

static void a_table_that_was_fetched_for_one_leaf_serves_the_next(void **state)
{
	struct race race = {.then = a_vcpu_splits_it};
	struct guest *guest = raced(state, &race, TDP_2M, 1024);

	split(guest);
	assert_int_equal(guest_stats(guest).pages_4k, 1024);
	/* The vCPU had a table in its own cache. */
	assert_int_equal(-race.after, 1);
}

static void all_is_gone(struct guest *guest)
{
	guest_discard(guest, 0, 1024);
}

static void what_was_unmapped_meanwhile_is_left_alone(void **state)
{
	struct race race = {.then = all_is_gone};
	struct guest *guest = raced(state, &race, TDP_2M, 1024);

	split(guest);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPLIT_HUGE_PAGE), 0);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).tables, 2);
}

/* The hardware, or a fast page fault, between our look and our exchange. */
static void somebody_is_faster(struct guest *guest, const struct tdp_trace_event *event)
{
	if (event->kind != TDP_TRACE_GET_PAGE)
		return;
	guest->on_event = NULL;
	*guest_entry_at(guest, AT) &= ~2ULL;
	tdp_vcpu_flush_tlb(guest->vcpu);
}

static void a_lost_race_is_run_again_with_what_was_found(void **state)
{
	struct guest *guest = inside_mapped(state, &scripted, TDP_2M, 1024);

	guest->on_event = somebody_is_faster;
	split(guest);
	guest_expect(guest, TDP_TRACE_GET_PAGE, TDP_TRACE_SPLIT_HUGE_PAGE, TDP_TRACE_GET_PAGE,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPLIT_HUGE_PAGE, TDP_TRACE_GET_PAGE,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPLIT_HUGE_PAGE);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPLIT_HUGE_PAGE, 0)->split.error, -16);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPLIT_HUGE_PAGE, 1)->split.error, 0);
	inside_check_leaves(guest, AT, 512, TDP_4K, inside_value(guest, 0xe65, 0x0600000000000b75));
	inside_check_leaves(guest, AT + 512, 512, TDP_4K,
			    inside_value(guest, 0xe67, 0x0600000000000b77));
}

/* Giving way */

static void wait_for_the_other(struct guest *guest, const struct tdp_trace_event *event)
{
	struct race *race = guest->race;
	unsigned int rounds = 0;

	if (event->kind != TDP_TRACE_SPLIT_HUGE_PAGE || race->after-- != 0)
		return;
	guest->on_event = NULL;
	tdp_flag_raise(race->splitting);
	while (!rwlock_contended(&guest->vm->mmu.lock))
		tdp_pause(&rounds);
}

static int split_all(struct tdp_actor *self, void *arg)
{
	struct race *race = arg;

	(void)self;
	if (race->exclusive)
		inside_do(race->guest, 1, mmu_split_slot);
	else
		inside_split_masked(race->guest, 500, ~0ULL);
	return 0;
}

static int come_between(struct tdp_actor *self, void *arg)
{
	struct race *race = arg;
	struct mmu_actor *task = mmu_task_get(&race->guest->vm->mmu);
	unsigned int rounds = 0;

	(void)self;
	while (!tdp_flag_raised(race->splitting))
		tdp_pause(&rounds);
	if (race->exclusive) {
		struct mmu_exclusive exclusive = mmu_lock_exclusive(task);

		race->seen = guest_stats(race->guest);
		mmu_unlock_exclusive(exclusive);
	} else {
		struct mmu_shared shared = mmu_lock_shared(task);

		race->seen = guest_stats(race->guest);
		mmu_unlock_shared(shared);
	}
	mmu_task_put(task);
	return 0;
}

static struct guest *run_race(void **state, struct race *race)
{
	struct guest *guest = inside_mapped(state, &scripted, TDP_2M, 8 * 512);
	struct tdp_actor_config actors[] = {
		{.body = split_all, .arg = race},
		{.body = come_between, .arg = race},
	};

	race->guest = guest;
	guest->race = race;
	guest->on_event = wait_for_the_other;
	assert_int_equal(tdp_flag_create(&race->splitting), 0);
	assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
	tdp_flag_destroy(race->splitting);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
	return guest;
}

static void a_split_gives_way_to_a_writer(void **state)
{
	struct race race = {.after = 2, .exclusive = true};
	struct guest *guest = run_race(state, &race);

	assert_int_equal(race.seen.pages_4k, 3 * 512);
	assert_int_equal(guest_stats(guest).pages_4k, 8 * 512);
	assert_int_equal(guest_stats(guest).pages_2m, 0);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPLIT_HUGE_PAGE), 8);
}

static void a_masked_split_gives_way_to_readers(void **state)
{
	struct race race = {.after = 0};
	struct guest *guest = run_race(state, &race);

	assert_int_equal(race.seen.pages_4k, 512);
	assert_int_equal(guest_stats(guest).pages_4k, 1024);
	assert_int_equal(guest_stats(guest).pages_2m, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(out_of_memory_the_rest_stays_huge),
		guest_test_ept(out_of_memory_the_other_roots_stay_huge_too),
		guest_test(out_of_memory_a_1g_leaf_stays_half_split),
		guest_test(out_of_memory_a_mask_leaves_the_lock_as_it_was),
		guest_tests(a_table_that_is_not_needed_any_more_goes_back),
		guest_test(a_table_that_was_fetched_for_one_leaf_serves_the_next),
		guest_test(what_was_unmapped_meanwhile_is_left_alone),
		guest_tests(a_lost_race_is_run_again_with_what_was_found),
		guest_tests(a_split_gives_way_to_a_writer),
		guest_test(a_masked_split_gives_way_to_readers),
	};

	return cmocka_run_group_tests_name("mmu/eager_split_race", tests, NULL, NULL);
}
