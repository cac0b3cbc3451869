/*
 * Deferred freeing: which sections hold a callback back, and that readers never find freed memory.
 * Most tests need one thread only, since a section belongs to its record and not to a thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <tdpsim/run.h>

#include "platform/rcu.h"
#include "support/deadline.h"

#define WHOLE  0x600d600d600d600dull
#define POISON 0xdeaddeaddeaddeadull

struct object {
	struct rcu_head head;
	uint64_t content;
	uint64_t place; /* in the order of release, from 1; 0 before */
	unsigned int again;
};

/* The domain's context. */
struct world {
	struct rcu rcu;
	struct rcu_reader early, late;
	uint64_t released; /* written by callbacks, which run one at a time */
	atomic_ptr shared; /* the object that readers look at */
	atomic_u32 stage, ended;
	unsigned int turns;
	struct object object;
};

static int set_up(void **state)
{
	struct world *world = aligned_alloc(CACHE_LINE, sizeof(*world));

	if (!world)
		return -1;
	*world = (struct world){.released = 0};
	rcu_init(&world->rcu, world);
	rcu_register(&world->rcu, &world->early);
	rcu_register(&world->rcu, &world->late);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	rcu_unregister(&world->rcu, &world->late);
	rcu_unregister(&world->rcu, &world->early);
	rcu_fini(&world->rcu);
	free(world);
	return 0;
}

static void note_release(struct rcu_head *head, void *context)
{
	struct object *object = (struct object *)head;
	struct world *world = context;

	object->content = POISON;
	object->place = ++world->released;
}

static void note_release_and_free(struct rcu_head *head, void *context)
{
	note_release(head, context);
	free(head);
}

static void defer_again(struct rcu_head *head, void *context)
{
	struct object *object = (struct object *)head;
	struct world *world = context;

	world->released++;
	if (object->again-- > 0)
		rcu_defer(&world->rcu, head, defer_again);
}

static void poll_often(struct world *world)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		rcu_poll(&world->rcu);
}

static void what_no_section_can_reach_is_freed_by_polling(void **state)
{
	struct world *world = *state;

	rcu_defer(&world->rcu, &world->object.head, note_release);
	assert_int_equal(world->released, 0);
	rcu_poll(&world->rcu);
	assert_int_equal(world->released, 1);
}

static void a_section_holds_back_what_is_deferred_during_it(void **state)
{
	struct world *world = *state;

	rcu_enter(&world->rcu, &world->early);
	rcu_defer(&world->rcu, &world->object.head, note_release);
	poll_often(world);
	assert_int_equal(world->released, 0);
	rcu_leave(&world->early);
	rcu_poll(&world->rcu);
	assert_int_equal(world->released, 1);
}

static void a_nested_section_ends_with_the_outermost(void **state)
{
	struct world *world = *state;

	rcu_enter(&world->rcu, &world->early);
	rcu_enter(&world->rcu, &world->early);
	rcu_defer(&world->rcu, &world->object.head, note_release);
	rcu_leave(&world->early);
	assert_true(rcu_inside(&world->early));
	poll_often(world);
	assert_int_equal(world->released, 0);
	rcu_leave(&world->early);
	assert_false(rcu_inside(&world->early));
	poll_often(world);
	assert_int_equal(world->released, 1);
}

static void a_section_that_began_after_a_grace_period_did_holds_nothing_back(void **state)
{
	struct world *world = *state;

	rcu_enter(&world->rcu, &world->early);
	rcu_defer(&world->rcu, &world->object.head, note_release);
	rcu_poll(&world->rcu);
	rcu_enter(&world->rcu, &world->late);
	rcu_leave(&world->early);
	rcu_poll(&world->rcu);
	assert_int_equal(world->released, 1);
	rcu_leave(&world->late);
}

static void each_section_holds_back_only_what_came_after_it(void **state)
{
	struct world *world = *state;
	struct object second = {.place = 0};

	rcu_defer(&world->rcu, &world->object.head, note_release);
	rcu_synchronize(&world->rcu);
	rcu_enter(&world->rcu, &world->early);
	rcu_defer(&world->rcu, &second.head, note_release);
	poll_often(world);
	assert_int_equal(world->object.place, 1);
	assert_int_equal(second.place, 0);
	rcu_leave(&world->early);
	rcu_poll(&world->rcu);
	assert_int_equal(second.place, 2);
}

static void callbacks_run_in_the_order_of_their_deferral(void **state)
{
	struct object objects[100] = {0};
	struct world *world = *state;
	unsigned int i;

	for (i = 0; i < 100; i++)
		rcu_defer(&world->rcu, &objects[i].head, note_release);
	rcu_barrier(&world->rcu);
	for (i = 0; i < 100; i++)
		assert_int_equal(objects[i].place, i + 1);
}

static void deferring_alone_keeps_memory_bounded(void **state)
{
	struct world *world = *state;
	unsigned int i;

	for (i = 1; i <= 10000; i++) {
		struct object *object = malloc(sizeof(*object));

		assert_non_null(object);
		rcu_defer(&world->rcu, &object->head, note_release_and_free);
		assert_in_range(i - world->released, 0, 64);
	}
	rcu_barrier(&world->rcu);
	assert_int_equal(world->released, 10000);
}

static void a_callback_may_defer_again(void **state)
{
	struct world *world = *state;

	world->object.again = 1000;
	rcu_defer(&world->rcu, &world->object.head, defer_again);
	while (world->released < 1001)
		rcu_barrier(&world->rcu);
	rcu_barrier(&world->rcu);
	assert_int_equal(world->released, 1001);
}

static void the_domain_ends_with_nothing_left(void **state)
{
	struct object chain = {.again = 5};
	struct world world = {.released = 0};

	(void)state;
	rcu_init(&world.rcu, &world);
	rcu_defer(&world.rcu, &world.object.head, note_release);
	rcu_defer(&world.rcu, &chain.head, defer_again);
	rcu_fini(&world.rcu);
	assert_int_equal(world.released, 7);
}

static bool epoch_passed(struct world *world, uint64_t epoch)
{
	struct deadline deadline = deadline_begin();

	while (u64_load_relaxed(&world->rcu.epoch) <= epoch)
		if (!deadline_wait(&deadline))
			return false;
	return true;
}

/*
 * Is inside with the early record until another actor waits for it, and enters with the late one
 * before it leaves; the late section ends only when no actor waits any more.
 */
static int be_waited_for(struct tdp_actor *self, void *arg)
{
	struct world *world = arg;
	uint64_t epoch;
	bool waited, late_ignored;

	(void)self;
	rcu_enter(&world->rcu, &world->early);
	epoch = u64_load_relaxed(&world->rcu.epoch);
	u32_store_release(&world->stage, 1);
	waited = epoch_passed(world, epoch);
	rcu_enter(&world->rcu, &world->late);
	let_a_moment_pass();
	waited &= u32_load_acquire(&world->stage) == 1;
	u32_store_release(&world->ended, 1);
	rcu_leave(&world->early);
	late_ignored = reached(&world->stage, 2);
	rcu_leave(&world->late);
	return waited && late_ignored ? 0 : -1;
}

static int synchronize(struct tdp_actor *self, void *arg)
{
	struct world *world = arg;
	bool ended;

	(void)self;
	reached(&world->stage, 1);
	rcu_synchronize(&world->rcu);
	ended = u32_load_acquire(&world->ended);
	u32_store_release(&world->stage, 2);
	return ended ? 0 : -1;
}

static int run_barrier(struct tdp_actor *self, void *arg)
{
	struct world *world = arg;
	bool ended, released;

	(void)self;
	reached(&world->stage, 1);
	rcu_defer(&world->rcu, &world->object.head, note_release);
	rcu_barrier(&world->rcu);
	ended = u32_load_acquire(&world->ended);
	released = world->object.place != 0;
	u32_store_release(&world->stage, 2);
	return ended && released ? 0 : -1;
}

static void run_two(struct world *world, tdp_actor_body *first, tdp_actor_body *second)
{
	const struct tdp_actor_config actors[] = {
		{.body = first, .arg = world},
		{.body = second, .arg = world},
	};
	int results[2];

	assert_int_equal(tdp_run(NULL, actors, 2, results), 0);
}

static void synchronizing_waits_for_earlier_sections_and_ignores_later_ones(void **state)
{
	run_two(*state, be_waited_for, synchronize);
}

static void a_barrier_waits_for_earlier_sections_and_their_callbacks(void **state)
{
	run_two(*state, be_waited_for, run_barrier);
}

static struct object *object_new(void)
{
	struct object *object = calloc(1, sizeof(*object));

	if (object)
		object->content = WHOLE;
	return object;
}

static bool look(struct world *world, struct rcu_reader *reader)
{
	const struct object *object;
	bool whole;

	rcu_enter(&world->rcu, reader);
	object = ptr_load_acquire(&world->shared);
	whole = object->content == WHOLE;
	engine_relax();
	whole &= object->content == WHOLE;
	rcu_leave(reader);
	return whole;
}

static bool replace(struct world *world)
{
	struct object *object = object_new();

	if (!object)
		return false;
	object = ptr_exchange_acq_rel(&world->shared, object);
	rcu_defer(&world->rcu, &object->head, note_release_and_free);
	return true;
}

/* Reads and replaces; comes and goes as a reader; polls and waits now and then. */
static int read_and_replace(struct tdp_actor *self, void *arg)
{
	struct world *world = arg;
	struct rcu_reader reader;
	bool whole = true;
	unsigned int i;

	(void)self;
	rcu_register(&world->rcu, &reader);
	for (i = 0; i < world->turns && whole; i++) {
		whole &= look(world, &reader);
		if (i % 3 == 0)
			whole &= replace(world);
		if (i % 100 == 0)
			rcu_poll(&world->rcu);
		if (i % 1000 == 0) {
			rcu_unregister(&world->rcu, &reader);
			rcu_synchronize(&world->rcu);
			rcu_register(&world->rcu, &reader);
		}
	}
	rcu_unregister(&world->rcu, &reader);
	return whole ? 0 : -1;
}

static void no_section_ever_finds_what_was_freed(void **state)
{
	struct tdp_actor_config actors[8] = {0};
	struct world *world = *state;
	unsigned int i;

	world->turns = 30000;
	ptr_init(&world->shared, object_new());
	for (i = 0; i < 8; i++)
		actors[i] = (struct tdp_actor_config){.body = read_and_replace, .arg = world};
	assert_int_equal(tdp_run(NULL, actors, 8, NULL), 0);
	rcu_barrier(&world->rcu);
	assert_int_equal(world->released, 8 * 10000);
	free(ptr_load_acquire(&world->shared));
}

#define rcu_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rcu_test(what_no_section_can_reach_is_freed_by_polling),
		rcu_test(a_section_holds_back_what_is_deferred_during_it),
		rcu_test(a_nested_section_ends_with_the_outermost),
		rcu_test(a_section_that_began_after_a_grace_period_did_holds_nothing_back),
		rcu_test(each_section_holds_back_only_what_came_after_it),
		rcu_test(callbacks_run_in_the_order_of_their_deferral),
		rcu_test(deferring_alone_keeps_memory_bounded),
		rcu_test(a_callback_may_defer_again),
		rcu_test(the_domain_ends_with_nothing_left),
		rcu_test(synchronizing_waits_for_earlier_sections_and_ignores_later_ones),
		rcu_test(a_barrier_waits_for_earlier_sections_and_their_callbacks),
		rcu_test(no_section_ever_finds_what_was_freed),
	};

	return cmocka_run_group_tests_name("platform/rcu", tests, NULL, NULL);
}
