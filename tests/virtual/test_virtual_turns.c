/* The next actor's turn, against a list that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "platform/virtual/turns.h"

#define MOST  1000
#define STEPS 20000

/* The clock of each actor that takes part, else TURN_NEVER. */
struct list {
	size_t count;
	uint64_t clocks[MOST];
};

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15;
	return (*state ^ *state >> 29) * 0xbf58476d1ce4e5b9 >> 17;
}

static struct turn list_first(const struct list *list)
{
	struct turn first = {TURN_NEVER, 0};

	for (size_t i = 0; i < list->count; i++)
		if (list->clocks[i] < first.clock)
			first = (struct turn){list->clocks[i], i};
	return first;
}

/* The clock from which on another goes before `index`. */
static uint64_t list_deadline(const struct list *list, size_t index)
{
	uint64_t deadline = TURN_NEVER;

	for (size_t i = 0; i < list->count; i++)
		if (list->clocks[i] + (index < i) < deadline)
			deadline = list->clocks[i] + (index < i);
	return deadline;
}

static void put(struct turns *turns, struct list *list, size_t index, uint64_t clock)
{
	turns_put(turns, index, clock);
	list->clocks[index] = clock;
}

/* Mostly few ticks ahead, now and then as far as the ring reaches, or far. */
static uint64_t some_ticks(uint64_t *random)
{
	uint64_t value = next_random(random);

	switch (value % 8) {
	case 0:
		return TURNS_NEAR - 1 + value / 8 % 3;
	case 1:
		return value / 8 % 5000;
	default:
		return value / 8 % 4;
	}
}

static void assert_agree(size_t count, uint64_t seed)
{
	static struct list list;
	uint64_t random = seed, now = seed % 1000, deadline = 0;
	struct turns turns;

	assert_int_equal(turns_init(&turns, count, now), 0);
	list.count = count;
	for (size_t i = 0; i < count; i++)
		list.clocks[i] = TURN_NEVER;
	for (size_t i = 0; i < count; i++)
		put(&turns, &list, i, now + some_ticks(&random));
	for (unsigned int step = 0; step < STEPS / count + 100; step++) {
		struct turn expected = list_first(&list), first = turns_take(&turns, &deadline);
		size_t other = next_random(&random) % count;

		assert_int_equal(first.clock, expected.clock);
		assert_int_equal(first.index, expected.index);
		list.clocks[first.index] = TURN_NEVER;
		if (deadline != list_deadline(&list, first.index))
			assert_true(deadline >= TURN_NEVER && count == 1);
		if (other != first.index && next_random(&random) % 4 == 0) {
			turns_remove(&turns, other, list.clocks[other]);
			put(&turns, &list, other, first.clock + some_ticks(&random));
			assert_int_equal(turns_deadline(&turns, first.index),
					 list_deadline(&list, first.index));
		}
		put(&turns, &list, first.index, first.clock + some_ticks(&random));
	}
	turns_fini(&turns);
}

static void the_first_is_whom_a_search_finds(void **state)
{
	static const size_t counts[] = {1, 2, 3, 63, 64, 65, 96, 128, 416, MOST};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		for (uint64_t seed = 1; seed <= 5; seed++)
			assert_agree(counts[i], seed);
}

static void nobody_is_first_where_nobody_is(void **state)
{
	struct turns turns;
	uint64_t deadline = 0;

	(void)state;
	assert_int_equal(turns_init(&turns, 3, 7), 0);
	assert_int_equal(turns_take(&turns, &deadline).clock, TURN_NEVER);
	turns_put(&turns, 2, 7);
	assert_int_equal(turns_take(&turns, &deadline).index, 2);
	assert_true(deadline >= TURN_NEVER);
	assert_int_equal(turns_take(&turns, &deadline).clock, TURN_NEVER);
	turns_fini(&turns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_is_whom_a_search_finds),
		cmocka_unit_test(nobody_is_first_where_nobody_is),
	};

	return cmocka_run_group_tests_name("platform/virtual/turns", tests, NULL, NULL);
}
