/*
 * Schedules that hunt: each finds an update that is lost between two steps, and makes
 * the same choices from the same seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tdpsim/run.h>

#include "platform/atomic.h"
#include "platform/virtual/schedule.h"

#define SWITCHES 256

struct counting {
	atomic_u32 word, gate;
	bool atomically;
};

/* Not atomic: what another adds between the two steps is lost. */
static int add_one(struct tdp_actor *self, void *arg)
{
	struct counting *counting = arg;

	(void)self;
	if (counting->atomically)
		u32_add_relaxed(&counting->word, 1);
	else
		u32_store_relaxed(&counting->word, u32_load_relaxed(&counting->word) + 1);
	return 0;
}

static int wait_then_add(struct tdp_actor *self, void *arg)
{
	struct counting *counting = arg;
	unsigned int rounds = 0;

	if (tdp_actor_index(self) == 0) {
		add_one(self, arg);
		u32_store_release(&counting->gate, 1);
		return 0;
	}
	while (!u32_load_acquire(&counting->gate))
		tdp_pause(&rounds);
	return add_one(self, arg);
}

/* The counter after all actors have added one, under the schedule. */
static uint32_t count(struct schedule *schedule, tdp_actor_body *body, size_t actors,
		      bool atomically)
{
	struct counting counting = {.atomically = atomically};
	struct tdp_actor_config cast[3];

	assert_true(actors <= 3);
	memset(cast, 0, sizeof(cast));
	for (size_t i = 0; i < actors; i++)
		cast[i] = (struct tdp_actor_config){.body = body, .arg = &counting};
	schedule->steps = 0;
	schedule->steps_most = 1000;
	schedule_use(schedule);
	assert_int_equal(tdp_run(NULL, cast, actors, NULL), 0);
	schedule_use(NULL);
	return u32_load_relaxed(&counting.word);
}

static void a_random_schedule_finds_a_lost_update(void **state)
{
	struct schedule_random random;
	unsigned int lost = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		schedule_random_init(&random, seed);
		lost += count(&random.schedule, add_one, 2, false) < 2;
		schedule_random_init(&random, seed);
		assert_int_equal(count(&random.schedule, add_one, 3, true), 3);
	}
	assert_in_range(lost, 20, 180);
}

/* Two actors, five steps at most, two of which have to be in order: 1 in 10 at least. */
static void pct_finds_a_lost_update_as_often_as_it_promises(void **state)
{
	struct schedule_pct pct;
	uint64_t priorities[2];
	unsigned int lost = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 1000; seed++) {
		schedule_pct_init(&pct, seed, 2, 5, priorities, 2);
		lost += count(&pct.schedule, add_one, 2, false) < 2;
		schedule_pct_init(&pct, seed, 1, 5, priorities, 2);
		assert_int_equal(count(&pct.schedule, add_one, 2, false), 2);
	}
	assert_in_range(lost, 100, 999);
}

static void who_pauses_lets_others_get_on_under_every_schedule(void **state)
{
	struct schedule_random random;
	struct schedule_pct pct;
	uint64_t priorities[3];

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		schedule_random_init(&random, seed);
		count(&random.schedule, wait_then_add, 3, false);
		schedule_pct_init(&pct, seed, 3, 20, priorities, 3);
		count(&pct.schedule, wait_then_add, 3, false);
	}
}

static void a_seed_means_the_same_switches_every_time(void **state)
{
	static struct schedule_switch first[SWITCHES], second[SWITCHES];
	struct schedule_random random;
	uint64_t made;

	(void)state;
	schedule_random_init(&random, 5);
	random.schedule.switches = first;
	random.schedule.switches_room = SWITCHES;
	count(&random.schedule, wait_then_add, 3, false);
	made = random.schedule.switches_made;
	assert_in_range(made, 3, SWITCHES);
	schedule_random_init(&random, 5);
	random.schedule.switches = second;
	random.schedule.switches_room = SWITCHES;
	free(malloc(1000));
	count(&random.schedule, wait_then_add, 3, false);
	assert_int_equal(random.schedule.switches_made, made);
	for (uint64_t i = 0; i < made; i++) {
		assert_int_equal(first[i].step, second[i].step);
		assert_int_equal(first[i].actor, second[i].actor);
		assert_ptr_equal(first[i].place, second[i].place);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_random_schedule_finds_a_lost_update),
		cmocka_unit_test(pct_finds_a_lost_update_as_often_as_it_promises),
		cmocka_unit_test(who_pauses_lets_others_get_on_under_every_schedule),
		cmocka_unit_test(a_seed_means_the_same_switches_every_time),
	};

	return cmocka_run_group_tests_name("platform/virtual/schedule", tests, NULL, NULL);
}
