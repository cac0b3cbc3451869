/*
 * Frames while several actors take and return at once: each tags what it holds.
 * Another's tag in it means that a frame had two owners.
 */
#include "host/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "platform/actor.h"
#include "support/hosts.h"

#define OWNERS 6
#define HELD   24
#define ROUNDS 4000

struct owner {
	struct tdp_host *host;
	uint64_t tag;
	unsigned int seed;
	tdp_pfn_t held[HELD];
	unsigned int levels[HELD]; /* 0: a table */
	bool full[HELD];
};

static unsigned int next_random(struct owner *owner)
{
	owner->seed = owner->seed * 1103515245 + 12345;
	return owner->seed >> 16;
}

static uint64_t held_frames(const struct owner *owner, unsigned int slot)
{
	return owner->levels[slot] ? tdp_level_pages(owner->levels[slot]) : 1;
}

static void owner_take(struct owner *owner, struct host_caller *caller, unsigned int slot)
{
	unsigned int what = next_random(owner) % 16;
	unsigned int level = what == 0 ? TDP_2M : what < 8 ? TDP_4K : 0;
	uint64_t *words;
	int err;

	err = level ? frame_alloc_data(caller, -1, level, &owner->held[slot])
		    : frame_alloc_table(caller, &owner->held[slot]);
	if (err)
		return;
	owner->levels[slot] = level;
	owner->full[slot] = true;
	for (uint64_t i = 0; i < held_frames(owner, slot); i++) {
		words = frame_address(caller->host, tdp_pfn(owner->held[slot].n + i));
		*words = owner->tag;
	}
}

static int owner_return(struct owner *owner, struct host_caller *caller, unsigned int slot)
{
	const uint64_t *words;

	for (uint64_t i = 0; i < held_frames(owner, slot); i++) {
		words = frame_address(caller->host, tdp_pfn(owner->held[slot].n + i));
		if (*words != owner->tag)
			return -EIO;
	}
	if (owner->levels[slot])
		frame_free_data(caller->host, owner->held[slot], owner->levels[slot]);
	else
		frame_free_table(caller->host, next_random(owner) % 4 ? caller : NULL,
				 owner->held[slot]);
	owner->full[slot] = false;
	return 0;
}

static int owner_body(struct actor *actor)
{
	struct owner *owner = actor->arg;
	struct host_caller *caller = host_caller_get(owner->host);
	unsigned int slot;
	int err = 0;

	for (unsigned int i = 0; i < ROUNDS && !err; i++) {
		slot = next_random(owner) % HELD;
		if (owner->full[slot])
			err = owner_return(owner, caller, slot);
		else
			owner_take(owner, caller, slot);
	}
	for (slot = 0; slot < HELD && !err; slot++) {
		if (owner->full[slot])
			err = owner_return(owner, caller, slot);
	}
	host_caller_put(caller);
	return err;
}

static void no_frame_has_two_owners_while_actors_take_and_return(void **state)
{
	struct owner owners[OWNERS] = {0};
	struct actor actors[OWNERS] = {0};
	struct test_host test;

	(void)state;
	host_begin(&test);
	for (unsigned int i = 0; i < OWNERS; i++) {
		owners[i] = (struct owner){.host = test.host, .tag = i + 1, .seed = i + 1};
		actors[i] = (struct actor){.body = owner_body, .arg = &owners[i], .cpu = -1};
	}
	assert_int_equal(actor_run_all(actors, OWNERS), 0);
	for (unsigned int i = 0; i < OWNERS; i++)
		assert_int_equal(actors[i].result, 0);
	host_end(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_frame_has_two_owners_while_actors_take_and_return),
	};

	return cmocka_run_group_tests_name("host/frame_owners", tests, NULL, NULL);
}
