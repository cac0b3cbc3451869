/*
 * Virtual time: every event takes a tick, events take place in the order of their actors' clocks,
 * and a waiting actor takes no part until it is woken.
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
#include "platform/bytes.h"
#include "platform/charge.h"
#include "platform/lock.h"

#define ACTORS 5
#define STEPS  20

/* The actors of the events, in the order in which these took place. */
struct diary {
	atomic_u32 word, gate;
	size_t entries[ACTORS * STEPS];
	size_t count;
	uint64_t clocks[ACTORS];
	struct mutex mutex;
};

static void run(tdp_actor_body *body, void *arg, size_t count)
{
	struct tdp_actor_config actors[1000];

	assert_true(count <= sizeof(actors) / sizeof(actors[0]));
	memset(actors, 0, sizeof(actors));
	for (size_t i = 0; i < count; i++)
		actors[i] = (struct tdp_actor_config){.body = body, .arg = arg};
	assert_int_equal(tdp_run(NULL, actors, count, NULL), 0);
}

static void note(struct diary *diary, const struct tdp_actor *self)
{
	diary->entries[diary->count++] = tdp_actor_index(self);
}

static int make_steps(struct tdp_actor *self, void *arg)
{
	struct diary *diary = arg;

	for (int i = 0; i < STEPS; i++) {
		u32_add_relaxed(&diary->word, 1);
		note(diary, self);
	}
	return 0;
}

static void actors_of_equal_clocks_take_turns_by_their_index(void **state)
{
	struct diary diary = {.count = 0};

	(void)state;
	run(make_steps, &diary, ACTORS);
	assert_int_equal(diary.count, ACTORS * STEPS);
	for (size_t i = 0; i < diary.count; i++)
		assert_int_equal(diary.entries[i], i % ACTORS);
}

/* The slower an actor, the fewer steps it makes between those of the fastest. */
static int make_slow_steps(struct tdp_actor *self, void *arg)
{
	struct diary *diary = arg;
	size_t index = tdp_actor_index(self);

	for (int i = 0; i < 8; i++) {
		charge(CHARGE_VM_EXIT, index * 4);
		u32_add_relaxed(&diary->word, 1);
		note(diary, self);
	}
	return 0;
}

static void the_smallest_clock_goes_first(void **state)
{
	/* Actor 0 makes a step at 1, 2, 3 and so on, actor 1 at 5, 10, 15. */
	static const size_t expected[] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1};
	struct diary diary = {.count = 0};

	(void)state;
	run(make_slow_steps, &diary, 2);
	assert_int_equal(diary.count, 16);
	assert_memory_equal(diary.entries, expected, sizeof(expected));
}

static int measure_each(struct tdp_actor *self, void *arg)
{
	_Alignas(CACHE_LINE) unsigned char bytes[1024] = {0}, copy[1024];
	uint64_t *ticks = arg, begin = tdp_clock_now();
	atomic_u64 word;

	(void)self;
	u64_init(&word, 0);
	ticks[0] = tdp_clock_now() - begin;
	u64_load_relaxed(&word);
	ticks[1] = tdp_clock_now() - begin;
	u64_exchange_seq_cst(&word, 1);
	ticks[2] = tdp_clock_now() - begin;
	charge(CHARGE_IPI, 3);
	ticks[3] = tdp_clock_now() - begin;
	bytes_load(copy, bytes, sizeof(bytes));
	ticks[4] = tdp_clock_now() - begin;
	bytes_load(copy, bytes + 60, 8);
	ticks[5] = tdp_clock_now() - begin;
	return 0;
}

static void each_access_each_line_and_each_charge_takes_a_tick(void **state)
{
	static const uint64_t expected[] = {0, 1, 2, 5, 21, 23};
	uint64_t ticks[6];

	(void)state;
	run(measure_each, ticks, 1);
	assert_memory_equal(ticks, expected, sizeof(expected));
}

/* Actor 0 opens the gate late; the others wait at it, and have come in falling order. */
static int wait_at_the_gate(struct tdp_actor *self, void *arg)
{
	struct diary *diary = arg;
	size_t index = tdp_actor_index(self);

	if (index == 0) {
		charge(CHARGE_VM_EXIT, 1000);
		u32_store_release(&diary->gate, 1);
		diary->clocks[0] = tdp_clock_now();
		wait_wake_all(&diary->gate);
		return 0;
	}
	charge(CHARGE_VM_EXIT, 10 * (ACTORS - index));
	while (!u32_load_acquire(&diary->gate))
		wait_while(&diary->gate, 0);
	note(diary, self);
	diary->clocks[index] = tdp_clock_now();
	return 0;
}

static void who_is_woken_goes_on_at_the_wakers_time(void **state)
{
	struct diary diary = {.count = 0};

	(void)state;
	run(wait_at_the_gate, &diary, ACTORS);
	assert_int_equal(diary.count, ACTORS - 1);
	for (size_t i = 1; i < ACTORS; i++) {
		assert_true(diary.clocks[i] > diary.clocks[0]);
		assert_true(diary.clocks[i] < diary.clocks[0] + 10);
	}
}

static int wait_to_be_woken_singly(struct tdp_actor *self, void *arg)
{
	struct diary *diary = arg;
	size_t index = tdp_actor_index(self);

	if (index == 0) {
		charge(CHARGE_VM_EXIT, 1000);
		for (size_t i = 1; i < ACTORS; i++) {
			wait_wake_one(&diary->gate);
			charge(CHARGE_VM_EXIT, 10);
		}
		return 0;
	}
	charge(CHARGE_VM_EXIT, 10 * (ACTORS - index));
	wait_while(&diary->gate, 0);
	note(diary, self);
	return 0;
}

static void waiters_are_woken_in_the_order_in_which_they_came(void **state)
{
	struct diary diary = {.count = 0};

	(void)state;
	run(wait_to_be_woken_singly, &diary, ACTORS);
	assert_int_equal(diary.count, ACTORS - 1);
	for (size_t i = 0; i < ACTORS - 1; i++)
		assert_int_equal(diary.entries[i], ACTORS - 1 - i);
}

/* Actor 1 pauses until the flag goes up, which is after many events of actor 0. */
static int work_or_pause(struct tdp_actor *self, void *arg)
{
	struct diary *diary = arg;
	unsigned int rounds = 0;

	if (tdp_actor_index(self) == 0) {
		for (int i = 0; i < 1000000; i++)
			u32_add_relaxed(&diary->word, 1);
		u32_store_release(&diary->gate, 1);
		diary->clocks[0] = tdp_clock_now();
		return 0;
	}
	while (!u32_load_acquire(&diary->gate))
		tdp_pause(&rounds);
	diary->clocks[1] = tdp_clock_now();
	diary->count = rounds;
	return 0;
}

static void pauses_grow_longer_but_not_longer_than_the_wait(void **state)
{
	struct diary diary = {.count = 0};

	(void)state;
	run(work_or_pause, &diary, 2);
	assert_true(diary.clocks[1] >= diary.clocks[0]);
	assert_true(diary.clocks[1] - diary.clocks[0] < 100000);
	assert_in_range(diary.count, 2, 200);
}

static int let_seconds_pass(struct tdp_actor *self, void *arg)
{
	uint64_t end = tdp_clock_now() + 3000000000;
	unsigned int rounds = 0;

	(void)self;
	(void)arg;
	while (tdp_clock_now() < end)
		tdp_pause(&rounds);
	return 0;
}

static void to_wait_for_the_clock_is_no_livelock(void **state)
{
	uint64_t begin = tdp_clock_now();

	(void)state;
	run(let_seconds_pass, NULL, 2);
	assert_true(tdp_clock_now() - begin >= 3000000000);
}

#define HOUR 3600000000000ull

/* One wakes up every hour of a day; the other goes on in the third. */
static int keep_hours(struct tdp_actor *self, void *arg)
{
	struct diary *diary = arg;
	uint64_t began = tdp_clock_now();
	int hours = 0;

	if (tdp_actor_index(self) == 1) {
		bool changed = wait_while_for(&diary->gate, 0, HOUR * 5 / 2);

		u32_store_release(&diary->word, 1);
		wait_wake_all(&diary->word);
		return changed;
	}
	while (hours < 24 && !wait_while_for(&diary->word, 0, HOUR))
		hours++;
	diary->clocks[0] = tdp_clock_now() - began;
	return hours;
}

static void waiting_with_a_limit_takes_just_that_time_or_ends_by_a_wake(void **state)
{
	struct diary diary = {.count = 0};
	const struct tdp_actor_config actors[] = {{.body = keep_hours, .arg = &diary},
						  {.body = keep_hours, .arg = &diary}};
	int results[2];

	(void)state;
	assert_int_equal(tdp_run(NULL, actors, 2, results), 0);
	assert_int_equal(results[0], 2);
	assert_int_equal(results[1], 0);
	assert_in_range(diary.clocks[0] - HOUR * 5 / 2, 1, 20);
}

static int quarrel(struct tdp_actor *self, void *arg)
{
	struct diary *diary = arg;

	for (int i = 0; i < STEPS; i++) {
		mutex_lock(&diary->mutex);
		note(diary, self);
		charge(CHARGE_VM_EXIT, tdp_actor_index(self) + 1);
		mutex_unlock(&diary->mutex);
	}
	return 0;
}

static void where_things_lie_changes_nothing(void **state)
{
	struct diary *first = calloc(1, sizeof(*first)), *second;
	void *between = malloc(123456);

	(void)state;
	second = calloc(1, sizeof(*second));
	mutex_init(&first->mutex);
	mutex_init(&second->mutex);
	run(quarrel, first, ACTORS);
	run(quarrel, second, ACTORS);
	assert_int_equal(first->count, ACTORS * STEPS);
	assert_memory_equal(first->entries, second->entries, sizeof(first->entries));
	free(second);
	free(between);
	free(first);
}

static int count_up(struct tdp_actor *self, void *arg)
{
	struct diary *diary = arg;
	unsigned int rounds = 0;

	(void)self;
	u32_add_relaxed(&diary->word, 1);
	while (u32_load_relaxed(&diary->word) < 1000)
		tdp_pause(&rounds);
	return 0;
}

static void a_thousand_actors_are_run(void **state)
{
	struct diary diary = {.count = 0};

	(void)state;
	run(count_up, &diary, 1000);
	assert_int_equal(u32_load_relaxed(&diary.word), 1000);
}

static int read_the_clock(struct tdp_actor *self, void *arg)
{
	(void)self;
	*(uint64_t *)arg = tdp_clock_now();
	return 0;
}

static void a_run_begins_when_the_one_before_has_ended(void **state)
{
	struct diary diary = {.count = 0};
	uint64_t begin, before;

	(void)state;
	run(make_slow_steps, &diary, 3);
	before = tdp_clock_now();
	run(read_the_clock, &begin, 1);
	assert_true(begin >= before);
	assert_true(before > 8 * 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actors_of_equal_clocks_take_turns_by_their_index),
		cmocka_unit_test(the_smallest_clock_goes_first),
		cmocka_unit_test(each_access_each_line_and_each_charge_takes_a_tick),
		cmocka_unit_test(who_is_woken_goes_on_at_the_wakers_time),
		cmocka_unit_test(waiters_are_woken_in_the_order_in_which_they_came),
		cmocka_unit_test(pauses_grow_longer_but_not_longer_than_the_wait),
		cmocka_unit_test(to_wait_for_the_clock_is_no_livelock),
		cmocka_unit_test(waiting_with_a_limit_takes_just_that_time_or_ends_by_a_wake),
		cmocka_unit_test(where_things_lie_changes_nothing),
		cmocka_unit_test(a_thousand_actors_are_run),
		cmocka_unit_test(a_run_begins_when_the_one_before_has_ended),
	};

	return cmocka_run_group_tests_name("platform/virtual/time", tests, NULL, NULL);
}
