/*
 * Mutex and spinlock: one actor inside at a time, and a waiter that was overtaken often is handed
 * the mutex.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <tdpsim/run.h>

#include "platform/lock.h"
#include "support/deadline.h"

#define ACTORS 16
#define TURNS  5000

struct arena {
	struct mutex mutex;
	struct spinlock spinlock;
	uint64_t under_mutex, under_spinlock;
	atomic_u32 stage;
};

static void arena_init(struct arena *arena)
{
	mutex_init(&arena->mutex);
	spinlock_init(&arena->spinlock);
	arena->under_mutex = arena->under_spinlock = 0;
	u32_init(&arena->stage, 0);
}

static int count_under_both(struct tdp_actor *self, void *arg)
{
	struct arena *arena = arg;
	unsigned int i;

	(void)self;
	for (i = 0; i < TURNS; i++) {
		mutex_lock(&arena->mutex);
		arena->under_mutex++;
		mutex_unlock(&arena->mutex);
		spinlock_lock(&arena->spinlock);
		arena->under_spinlock++;
		spinlock_unlock(&arena->spinlock);
	}
	return 0;
}

static void mutex_and_spinlock_admit_one_at_a_time(void **state)
{
	struct tdp_actor_config actors[ACTORS];
	struct arena arena;
	unsigned int i;

	(void)state;
	arena_init(&arena);
	for (i = 0; i < ACTORS; i++)
		actors[i] = (struct tdp_actor_config){.body = count_under_both, .arg = &arena};
	assert_int_equal(tdp_run(NULL, actors, ACTORS, NULL), 0);
	assert_int_equal(arena.under_mutex, ACTORS * TURNS);
	assert_int_equal(arena.under_spinlock, ACTORS * TURNS);
}

static void trying_a_mutex_succeeds_only_if_it_is_free(void **state)
{
	struct mutex mutex;

	(void)state;
	mutex_init(&mutex);
	assert_true(mutex_trylock(&mutex));
	assert_false(mutex_trylock(&mutex));
	mutex_unlock(&mutex);
	assert_true(mutex_trylock(&mutex));
}

/* Wakes the waiter in vain, as being overtaken does, until it declares itself starving. */
static bool defeat_until_starving(const struct mutex *mutex)
{
	struct deadline deadline = deadline_begin();

	while (!(u32_load_relaxed(&mutex->word) & MUTEX_STARVING)) {
		wait_wake_one(&mutex->word);
		if (!deadline_wait(&deadline))
			return false;
	}
	return true;
}

static int defeat_and_unlock(struct tdp_actor *self, void *arg)
{
	struct arena *arena = arg;
	bool declared, overtaken;

	(void)self;
	mutex_lock(&arena->mutex);
	u32_store_release(&arena->stage, 1);
	declared = defeat_until_starving(&arena->mutex);
	mutex_unlock(&arena->mutex);
	overtaken = mutex_trylock(&arena->mutex);
	if (overtaken)
		mutex_unlock(&arena->mutex);
	u32_store_release(&arena->stage, 2);
	return declared && !overtaken ? 0 : -1;
}

/* Keeps the lock until the other has tried to get it back. */
static int lock_and_keep(struct tdp_actor *self, void *arg)
{
	struct arena *arena = arg;
	bool told;

	(void)self;
	reached(&arena->stage, 1);
	mutex_lock(&arena->mutex);
	told = reached(&arena->stage, 2);
	mutex_unlock(&arena->mutex);
	return told ? 0 : -1;
}

static void who_was_overtaken_often_is_handed_the_mutex(void **state)
{
	struct tdp_actor_config actors[2];
	struct arena arena;

	(void)state;
	arena_init(&arena);
	actors[0] = (struct tdp_actor_config){.body = defeat_and_unlock, .arg = &arena};
	actors[1] = (struct tdp_actor_config){.body = lock_and_keep, .arg = &arena};
	assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
	assert_true(mutex_trylock(&arena.mutex));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutex_and_spinlock_admit_one_at_a_time),
		cmocka_unit_test(trying_a_mutex_succeeds_only_if_it_is_free),
		cmocka_unit_test(who_was_overtaken_often_is_handed_the_mutex),
	};

	return cmocka_run_group_tests_name("platform/mutex", tests, NULL, NULL);
}
