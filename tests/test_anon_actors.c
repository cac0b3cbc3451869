/*
 * Anonymous memory under several actors: those that touch the same pages agree,
 * and what one discards is not taken from another.
 */
#include "guest/anon.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "platform/actor.h"
#include "support/memory.h"

#define FRAMES_2M 512

/* Actors that touch the same pages, each from another place on. */
#define TOUCHERS 6
#define PAGES	 (16 * FRAMES_2M)

struct toucher {
	struct memory *memory;
	uint64_t *pfns; /* PAGES of them */
	uint64_t first;
};

static int touch_all(struct actor *actor)
{
	struct toucher *toucher = actor->arg;
	struct tdp_backing_page page;

	for (uint64_t i = 0; i < PAGES; i++) {
		uint64_t at = (toucher->first + i * 513) % PAGES;

		if (memory_resolve(toucher->memory, at * TDP_PAGE_SIZE, true, &page))
			return -EIO;
		toucher->pfns[at] = page.pfn.n;
	}
	return 0;
}

static void actors_agree(struct tdp_anon_config config, uint64_t touched)
{
	struct toucher touchers[TOUCHERS];
	struct actor actors[TOUCHERS];
	struct memory memory;

	config.bytes = PAGES * TDP_PAGE_SIZE;
	memory_begin(&memory, config);
	for (unsigned int i = 0; i < TOUCHERS; i++) {
		touchers[i] =
			(struct toucher){&memory, calloc(PAGES, sizeof(uint64_t)), i / 2 * 1000};
		assert_non_null(touchers[i].pfns);
		actors[i] = (struct actor){.body = touch_all, .arg = &touchers[i], .cpu = -1};
	}
	assert_int_equal(actor_run_all(actors, TOUCHERS), 0);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		assert_int_equal(actors[i].result, 0);
	for (unsigned int i = 1; i < TOUCHERS; i++) {
		assert_memory_equal(touchers[i].pfns, touchers[0].pfns, PAGES * sizeof(uint64_t));
		free(touchers[i].pfns);
	}
	free(touchers[0].pfns);
	assert_int_equal(tdp_anon_touched(memory.anon), touched);
	assert_int_equal(memory_data_frames(&memory), PAGES);
	memory_end(&memory);
}

static void actors_that_touch_the_same_pages_agree_on_their_frames(void **state)
{
	(void)state;
	actors_agree((struct tdp_anon_config){0}, PAGES);
	actors_agree((struct tdp_anon_config){.policy = TDP_ANON_PAGES}, PAGES);
	actors_agree((struct tdp_anon_config){.page = TDP_2M}, PAGES / FRAMES_2M);
}

/*
 * One extent of which each actor uses a page: touches it, holds it, discards it. The extent has
 * memory while any actor holds a page.
 */
#define HOLDERS	    4
#define HOLD_ROUNDS 60000

struct hold {
	struct memory *memory;
	uint64_t page;
};

/* Does the extent have memory, for as long as a moment lasts? */
static bool held(const struct hold *hold)
{
	const struct extent *extent =
		directory_find(&hold->memory->anon->map.records, 0, sizeof(*extent));

	for (int i = 0; i < 20; i++) {
		if (u64_load_acquire(&extent->word) == PAGE_MAP_NONE)
			return false;
	}
	return true;
}

static int hold_and_discard(struct actor *actor)
{
	struct hold *hold = actor->arg;
	struct tdp_backing_page page;

	for (int i = 0; i < HOLD_ROUNDS; i++) {
		if (memory_resolve(hold->memory, hold->page * TDP_PAGE_SIZE, true, &page))
			return -ENOMEM;
		if (!held(hold))
			return -EIO;
		page_map_discard(&hold->memory->anon->map, hold->page, hold->page + 1);
	}
	return 0;
}

static void an_extent_is_not_given_back_under_a_page_that_is_in_use(void **state)
{
	struct hold holds[HOLDERS];
	struct actor actors[HOLDERS];
	struct memory memory;

	(void)state;
	memory_begin(&memory, (struct tdp_anon_config){.bytes = 2 * MIB});
	for (unsigned int i = 0; i < HOLDERS; i++) {
		holds[i] = (struct hold){&memory, i * 100};
		actors[i] = (struct actor){.body = hold_and_discard, .arg = &holds[i], .cpu = -1};
	}
	assert_int_equal(actor_run_all(actors, HOLDERS), 0);
	for (unsigned int i = 0; i < HOLDERS; i++)
		assert_int_equal(actors[i].result, 0);
	assert_int_equal(tdp_anon_touched(memory.anon), 0);
	assert_int_equal(memory_data_frames(&memory), 0);
	memory_end(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actors_that_touch_the_same_pages_agree_on_their_frames),
		cmocka_unit_test(an_extent_is_not_given_back_under_a_page_that_is_in_use),
	};

	return cmocka_run_group_tests_name("host/anon_actors", tests, NULL, NULL);
}
