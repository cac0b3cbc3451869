/*
 * Accessed and dirty flags are set while others change the same entries: the
 * walk must not undo what another has written since it read the entry. The
 * changers count in the entries' ignored upper bits and clear flags; a count that
 * is short at the end was overwritten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <tdpsim/run.h>

#include "platform/atomic.h"
#include "support/raw_tables.h"

#define CHANGERS 2
#define WALKERS	 2
#define CHANGES	 200000
#define ONE	 BIT(52) /* what a changer adds: bits 63:52 count modulo 4096 */

struct race {
	struct raw *raw;
	atomic_u64 *entries[2 * TDP_LEVEL_MAX];
	unsigned int entry_count;
	uint64_t flags;	     /* accessed and dirty, of both dimensions */
	atomic_u32 changing; /* changers still at work; acq_rel, so that walkers stop after them */
};

static int change(struct tdp_actor *self, void *arg)
{
	struct race *race = arg;

	(void)self;
	for (unsigned int i = 0; i < CHANGES; i++) {
		atomic_u64 *entry = race->entries[i % race->entry_count];

		u64_and_acq_rel(entry, ~race->flags);
		u64_add_acq_rel(entry, ONE);
	}
	u32_add_acq_rel(&race->changing, (uint32_t)-1);
	return 0;
}

/* The verdict: 0, or 1 if a walk came to anything but its page. */
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
	}
	return 0;
}

static void run_race(struct race *race)
{
	struct tdp_actor_config actors[CHANGERS + WALKERS];
	int verdicts[CHANGERS + WALKERS];

	memset(actors, 0, sizeof(actors));
	for (unsigned int i = 0; i < CHANGERS + WALKERS; i++) {
		actors[i].body = i < CHANGERS ? change : walk;
		actors[i].arg = race;
	}
	u32_init(&race->changing, CHANGERS);
	assert_int_equal(tdp_run(NULL, actors, CHANGERS + WALKERS, verdicts), 0);
	for (unsigned int i = 0; i < CHANGERS + WALKERS; i++)
		assert_int_equal(verdicts[i], 0);
}

/* Each changer goes through the entries in turn. */
static void check_counts(struct race *race)
{
	for (unsigned int i = 0; i < race->entry_count; i++) {
		uint64_t each = CHANGES / race->entry_count + (i < CHANGES % race->entry_count);

		assert_int_equal(u64_load_relaxed(race->entries[i]) >> 52, CHANGERS * each % 4096);
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
