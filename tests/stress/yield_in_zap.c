/*
 * Large ranges and whole roots are zapped while vCPUs contend for mmu_lock, so that the
 * zap yields (lib/mmu/held.c): it must flush before it drops the lock, and the walk must
 * continue where it was. Memory is under several entries of the root, where the last pass
 * of the zap of a root yields.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

#define FIRST 0x1000
#define FAR   4		   /* moving slots, ... */
#define APART (1ULL << 27) /* ... each under its own entry of level 4 */

struct world {
	struct moving_slot *near, *far[FAR];
};

static int visit(struct player *player)
{
	const struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		struct moving_slot *slot = player_chance(player, 3)
						   ? world->far[player_below(player, FAR)]
						   : world->near;

		err = moving_slot_visit(
			player, slot,
			(unsigned int)player_below(player, stamped_pages(slot->memory)),
			player_chance(player, 2));
	}
	return err;
}

static int zap(struct player *player)
{
	const struct world *world = player->arg;
	uint64_t frames = stamped_frames(world->near->memory);

	while (player_goes_on(player)) {
		if (player_chance(player, 3))
			tdp_mmu_zap_all_fast(player->stress->vm);
		else
			tdp_mmu_zap_range(player->stress->vm, tdp_gfn(FIRST), frames);
		player_delay(player, 3);
	}
	return 0;
}

/* All of the stamped memory: many leaves, so that the zap may yield often. */
static int move_all(struct player *player)
{
	const struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		stamped_invalidate(player, world->near->memory);
		err = stamped_move_all(player, world->near->memory);
		player_delay(player, 10);
	}
	return err;
}

static int set_up(struct stress *stress)
{
	const struct stamped_config large = {.regions = 16, .small_only = true};
	const struct stamped_config little = {.regions = 1};
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	world->near =
		moving_slot_create(stress, &large, 0, 0, tdp_gfn(FIRST), tdp_gfn(0x9000), false);
	if (!world->near)
		return -ENOMEM;
	for (unsigned int i = 0; i < FAR; i++) {
		tdp_gfn_t gfn = tdp_gfn((i + 1) * APART);

		world->far[i] = moving_slot_create(stress, &little, 0, i + 1, gfn,
						   tdp_gfn(gfn.n + 0x1000), false);
		if (!world->far[i])
			return -ENOMEM;
	}
	stress_cast_vcpus(stress, visit, world);
	stress_cast(stress, "zapper", zap, world, 1);
	stress_cast(stress, "mover", move_all, world, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_yield_in_zap = {
	.name = "yield_in_zap",
	.what = "zaps of large ranges yield to faults",
	.vcpus = 5,
	.set_up = set_up,
};
