/*
 * A walk sets accessed and dirty flags while other actors change the same entries. It must
 * not undo what they have written since it read an entry. The changers count in ignored
 * upper bits of the entries and clear the flags. A change that a walk undoes makes the count
 * at the end too small.
 *
 * A changer goes on until enough walks have ended while it changed entries, so that the test
 * does not pass because no walk ran.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <tdpsim/run.h>

#include "platform/atomic.h"
#include "support/raw_tables.h"

#define CHANGERS   2
#define WALKERS	   2
#define CHANGES	   50000 /* of each changer, at least */
#define WALKS	   60000 /* of all walkers, during the changes, at least */
#define LIMIT_NS   60000000000ULL
#define BURST	   7  /* changes of changer 0 between two pauses; of the next one, 1 more */
#define PAUSES	   40 /* one pause in LONG_PAUSE is so long, for a whole walk; others are of 2 */
#define LONG_PAUSE 4
#define ONE	   BIT(52) /* what a changer adds: bits 63:52 count modulo 4096 */

struct race {
	struct raw *raw;
	atomic_u64 *entries[2 * TDP_LEVEL_MAX];
	unsigned int entry_count;
	uint64_t flags; /* accessed and dirty, of both dimensions */
	uint64_t deadline;
	/* Walks that have ended. Incremented by the walkers, relaxed: it only ends the changers. */
	atomic_u32 walks;
	/* Changers at work. Each decrements it with acq_rel, so that the walkers end after them. */
	atomic_u32 changing;
	uint64_t changes[CHANGERS]; /* of each changer, which stores it at its end */
};

struct changer {
	struct race *race;
	unsigned int number;
};

/* Checks the clock rarely, because the virtual engine charges for it. */
static bool goes_on(const struct race *race, uint64_t changes)
{
	if (changes < CHANGES)
		return true;
	if (u32_load_relaxed(&race->walks) >= WALKS)
		return false;
	return changes % CHANGES || tdp_clock_now() < race->deadline;
}

/* A walk starts again after a lost compare-and-swap; without pauses none would ever end. */
static void let_walks_end(uint64_t burst)
{
	unsigned int pauses = burst % LONG_PAUSE ? 2 : PAUSES, rounds = 0;

	for (unsigned int i = 0; i < pauses; i++)
		tdp_pause(&rounds);
}

static int change(struct tdp_actor *self, void *arg)
{
	const struct changer *changer = arg;
	struct race *race = changer->race;
	uint64_t changes = 0, burst = BURST + changer->number;

	(void)self;
	for (; goes_on(race, changes); changes++) {
		atomic_u64 *entry = race->entries[changes % race->entry_count];

		u64_and_acq_rel(entry, ~race->flags);
		u64_add_acq_rel(entry, ONE);
		if (changes % burst == 0)
			let_walks_end(changes / burst);
	}
	race->changes[changer->number] = changes;
	u32_add_acq_rel(&race->changing, (uint32_t)-1);
	return 0;
}

/* Returns 0, or 1 if a walk did not end at its page. */
static int walk(struct tdp_actor *self, void *arg)
{
	struct race *race = arg;
	struct tdp_walk_request request = {.address = RAW_LINEAR, .user = true};
	unsigned int rounds = 0;

	(void)self;
	while (u32_load_acquire(&race->changing)) {
		struct tdp_walk_result result;

		request.access = rounds++ & 1 ? TDP_WRITE : TDP_READ;
		if (tdp_walk(race->raw->host, &race->raw->config, race->raw->root,
			     &race->raw->paging, &request, &result) ||
		    result.outcome != TDP_WALK_DONE || result.pfn.n != race->raw->buffer.n)
			return 1;
		u32_add_relaxed(&race->walks, 1);
	}
	return 0;
}

static void run_race(struct race *race)
{
	struct tdp_actor_config actors[CHANGERS + WALKERS];
	struct changer changers[CHANGERS];
	int verdicts[CHANGERS + WALKERS];

	memset(actors, 0, sizeof(actors));
	for (unsigned int i = 0; i < CHANGERS; i++) {
		changers[i] = (struct changer){race, i};
		actors[i].body = change;
		actors[i].arg = &changers[i];
	}
	for (unsigned int i = CHANGERS; i < CHANGERS + WALKERS; i++) {
		actors[i].body = walk;
		actors[i].arg = race;
	}
	u32_init(&race->walks, 0);
	u32_init(&race->changing, CHANGERS);
	race->deadline = tdp_clock_now() + LIMIT_NS;
	assert_int_equal(tdp_run(NULL, actors, CHANGERS + WALKERS, verdicts), 0);
	for (unsigned int i = 0; i < CHANGERS + WALKERS; i++)
		assert_int_equal(verdicts[i], 0);
	assert_true(u32_load_relaxed(&race->walks) >= WALKS);
}

/* Each changer changes the entries in turn. */
static void check_counts(struct race *race)
{
	for (unsigned int i = 0; i < race->entry_count; i++) {
		uint64_t expected = 0;

		for (unsigned int j = 0; j < CHANGERS; j++)
			expected += race->changes[j] / race->entry_count +
				    (i < race->changes[j] % race->entry_count);
		assert_int_equal(u64_load_relaxed(race->entries[i]) >> 52, expected % 4096);
	}
}

static void no_change_to_a_second_level_entry_is_lost(void **state)
{
	const struct tdp_walk_config configs[] = {
		{.format = TDP_EPT, .ad = true},
		{.format = TDP_NPT, .host_nxe = true},
	};

	for (unsigned int i = 0; i < 2; i++) {
		struct race race = {.raw = *state};

		raw_build(race.raw, &configs[i], 1);
		raw_build_guest(race.raw, TDP_PAGING_LONG, 1);
		race.flags = raw_accessed(race.raw) | raw_dirty(race.raw);
		for (unsigned int level = 1; level <= 4; level++)
			race.entries[race.entry_count++] =
				(atomic_u64 *)raw_data_entry(race.raw, level);
		run_race(&race);
		check_counts(&race);
	}
}

static void no_change_to_a_guests_entry_is_lost(void **state)
{
	const struct tdp_walk_config configs[] = {
		{.format = TDP_EPT},
		{.format = TDP_NPT, .host_nxe = true},
	};

	for (unsigned int i = 0; i < 2; i++) {
		struct race race = {.raw = *state, .flags = GUEST_A | GUEST_D};

		raw_build(race.raw, &configs[i], 1);
		raw_build_guest(race.raw, TDP_PAGING_LONG, 1);
		for (unsigned int level = 1; level <= 4; level++)
			race.entries[race.entry_count++] =
				(atomic_u64 *)raw_guest_entry(race.raw, level);
		run_race(&race);
		check_counts(&race);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_change_to_a_second_level_entry_is_lost),
		cmocka_unit_test(no_change_to_a_guests_entry_is_lost),
	};

	return cmocka_run_group_tests_name("paging/walk/race", tests, raw_setup, raw_teardown);
}
