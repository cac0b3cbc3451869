/*
 * Runs that cannot end: actors that wait in a circle, or retry while no other actor can go on, are
 * reported on standard error with what they wait for. The run returns -EDEADLK, and the next run is
 * not affected.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <tdpsim/run.h>

#include "platform/atomic.h"
#include "platform/charge.h"
#include "platform/rcu.h"
#include "platform/rwlock.h"

static char report[8192];

/* Like tdp_run(); what it writes to standard error is left in `report`. */
static int run_and_listen(const struct tdp_actor_config *actors, size_t count, int *results)
{
	FILE *heard = tmpfile();
	int own = dup(STDERR_FILENO), err;
	size_t bytes;

	fflush(stderr);
	dup2(fileno(heard), STDERR_FILENO);
	err = tdp_run(NULL, actors, count, results);
	fflush(stderr);
	dup2(own, STDERR_FILENO);
	close(own);
	rewind(heard);
	bytes = fread(report, 1, sizeof(report) - 1, heard);
	report[bytes] = '\0';
	fclose(heard);
	return err;
}

static void assert_told(const char *words)
{
	if (!strstr(report, words))
		fail_msg("\"%s\" is not in the report:\n%s", words, report);
}

struct stage {
	struct mutex fork[2];
	struct rwlock lock;
	struct rwlock_reader reader;
	struct rcu rcu;
	struct rcu_reader section;
	struct tdp_barrier *barrier;
	atomic_u32 word;
};

static int nothing(struct tdp_actor *self, void *arg)
{
	(void)self;
	(void)arg;
	return 0;
}

static void assert_next_run_is_well(void)
{
	const struct tdp_actor_config actor = {.body = nothing};

	assert_int_equal(tdp_run(NULL, &actor, 1, NULL), 0);
}

__attribute__((noinline)) static int dine(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;
	size_t left = tdp_actor_index(self);

	mutex_lock(&stage->fork[left]);
	charge(CHARGE_VM_EXIT, 100);
	mutex_lock(&stage->fork[!left]);
	mutex_unlock(&stage->fork[!left]);
	mutex_unlock(&stage->fork[left]);
	return 0;
}

static void a_deadlock_ends_the_run_and_is_told_with_names(void **state)
{
	static struct stage stage;
	const struct tdp_actor_config actors[] = {
		{.name = "kant", .body = dine, .arg = &stage},
		{.name = "hume", .body = dine, .arg = &stage},
		{.name = "idler", .body = nothing},
	};
	int results[3] = {1, 1, 1};

	(void)state;
	mutex_init(&stage.fork[0]);
	mutex_init(&stage.fork[1]);
	assert_int_equal(run_and_listen(actors, 3, results), -EDEADLK);
	assert_told("deadlock");
	assert_told("of 3 actors, 2 have not ended");
	assert_told("actor 0 (kant) waits since ");
	assert_told("actor 1 (hume) waits since ");
	assert_told("mutex_wait");
	assert_told("< dine");
	assert_null(strstr(report, "idler"));
	assert_int_equal(results[0], -EDEADLK);
	assert_int_equal(results[1], -EDEADLK);
	assert_int_equal(results[2], 0);
	assert_next_run_is_well();
}

static int meet(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;

	(void)self;
	tdp_barrier_wait(stage->barrier);
	return 0;
}

static void a_barrier_that_not_all_reach_is_a_deadlock(void **state)
{
	static struct stage stage;
	const struct tdp_actor_config actors[] = {
		{.name = "present", .body = meet, .arg = &stage},
		{.name = "absent", .body = nothing},
	};

	(void)state;
	assert_int_equal(tdp_barrier_create(2, &stage.barrier), 0);
	assert_int_equal(run_and_listen(actors, 2, NULL), -EDEADLK);
	assert_told("(present) waits since ");
	assert_told("barrier_wait");
	assert_next_run_is_well();
}

__attribute__((noinline)) static int retry_for_ever(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;
	unsigned int rounds = 0;

	(void)self;
	while (!u32_load_acquire(&stage->word))
		tdp_pause(&rounds);
	return 0;
}

static int park_for_ever(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;

	(void)self;
	wait_while(&stage->word, 0);
	return 0;
}

static void an_endless_retry_ends_the_run_and_is_told_with_names(void **state)
{
	static struct stage stage;
	const struct tdp_actor_config actors[] = {
		{.name = "sisyphus", .body = retry_for_ever, .arg = &stage},
		{.name = "sleeper", .body = park_for_ever, .arg = &stage},
		{.name = "other", .body = retry_for_ever, .arg = &stage},
	};

	(void)state;
	assert_int_equal(run_and_listen(actors, 3, NULL), -EDEADLK);
	assert_told("livelock");
	assert_told("actor 0 (sisyphus) retries since ");
	assert_told("times in tdp_pause < retry_for_ever");
	assert_told("actor 1 (sleeper) waits since ");
	assert_told("in park_for_ever");
	assert_next_run_is_well();
}

/* The reader stays inside; the writer's waits come to an end now and then. */
/* A worker that no actor stops, long after all others have ended. */
__attribute__((noinline)) static int wake_up_for_ever(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;

	(void)self;
	while (!wait_while_for(&stage->word, 0, 60000000000))
		charge(CHARGE_VM_EXIT, 1);
	return 0;
}

static void a_worker_whom_nobody_stops_ends_the_run_in_the_end(void **state)
{
	static struct stage stage;
	const struct tdp_actor_config actors[] = {
		{.name = "worker", .body = wake_up_for_ever, .arg = &stage},
		{.name = "idler", .body = nothing},
	};

	(void)state;
	assert_int_equal(run_and_listen(actors, 2, NULL), -EDEADLK);
	assert_told("livelock");
	assert_told("worker");
	assert_told("wake_up_for_ever");
	assert_next_run_is_well();
}

static int stay_inside(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;

	(void)self;
	rwlock_read_lock(&stage->lock, &stage->reader);
	wait_while(&stage->word, 0);
	return 0;
}

static int write_once(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;

	(void)self;
	charge(CHARGE_VM_EXIT, 100);
	rwlock_write_lock(&stage->lock);
	return 0;
}

static void who_waits_for_a_flag_that_stays_up_is_told(void **state)
{
	static struct stage stage;
	const struct tdp_actor_config actors[] = {
		{.name = "reader", .body = stay_inside, .arg = &stage},
		{.name = "writer", .body = write_once, .arg = &stage},
	};

	(void)state;
	rwlock_init(&stage.lock, RWLOCK_PERCPU);
	rwlock_register(&stage.lock, &stage.reader);
	assert_int_equal(run_and_listen(actors, 2, NULL), -EDEADLK);
	assert_told("livelock");
	assert_told("(writer) ");
	assert_told("rwlock_write_lock");
	assert_told("in stay_inside");
	assert_next_run_is_well();
}

static int stay_in_a_section(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;

	(void)self;
	rcu_enter(&stage->rcu, &stage->section);
	wait_while(&stage->word, 0);
	return 0;
}

static int wait_for_sections(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;

	(void)self;
	charge(CHARGE_VM_EXIT, 100);
	rcu_synchronize(&stage->rcu);
	return 0;
}

static void a_grace_period_that_cannot_end_is_told(void **state)
{
	static struct stage stage;
	const struct tdp_actor_config actors[] = {
		{.name = "section", .body = stay_in_a_section, .arg = &stage},
		{.name = "grace", .body = wait_for_sections, .arg = &stage},
	};

	(void)state;
	rcu_init(&stage.rcu, NULL);
	rcu_register(&stage.rcu, &stage.section);
	assert_int_equal(run_and_listen(actors, 2, NULL), -EDEADLK);
	assert_told("(grace) retries since ");
	assert_told("rcu_synchronize");
	assert_next_run_is_well();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deadlock_ends_the_run_and_is_told_with_names),
		cmocka_unit_test(a_barrier_that_not_all_reach_is_a_deadlock),
		cmocka_unit_test(an_endless_retry_ends_the_run_and_is_told_with_names),
		cmocka_unit_test(a_worker_whom_nobody_stops_ends_the_run_in_the_end),
		cmocka_unit_test(who_waits_for_a_flag_that_stays_up_is_told),
		cmocka_unit_test(a_grace_period_that_cannot_end_is_told),
	};

	return cmocka_run_group_tests_name("platform/virtual/stuck", tests, NULL, NULL);
}
