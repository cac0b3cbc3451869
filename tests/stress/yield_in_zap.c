/*
 * Large ranges and whole roots are zapped while vCPUs fight for mmu_lock, so that
 * the zap gives way in the middle (lib/mmu/held.c): the flush that is owed must be
 * made before the lock is dropped, and the walk must find its way again.
 */
#include <errno.h>

#include "support/plot.h"

#define FIRST 0x1000

static int zap(struct player *player)
{
	struct plot *plot = player->arg;
	uint64_t frames = terrain_frames(plot->terrain);

	while (player_goes_on(player)) {
		if (player_chance(player, 3))
			tdp_mmu_zap_all_fast(player->stress->vm);
		else
			tdp_mmu_zap_range(player->stress->vm, tdp_gfn(FIRST), frames);
		player_dawdle(player, 3);
	}
	return 0;
}

/* All of the terrain at once: many leaves, many chances to give way. */
static int move_all(struct player *player)
{
	struct plot *plot = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		terrain_bother(player, plot->terrain);
		err = terrain_move_all(player, plot->terrain);
		player_dawdle(player, 10);
	}
	return err;
}

static int set_up(struct stress *stress)
{
	struct plot *plot =
		plot_create(stress, &(struct terrain_config){.regions = 16, .small_only = true}, 0,
			    0, tdp_gfn(FIRST), tdp_gfn(0x9000), false);

	if (!plot)
		return -ENOMEM;
	stress_cast_vcpus(stress, plot_visitor, plot);
	stress_cast(stress, "zapper", zap, plot, 1);
	stress_cast(stress, "mover", move_all, plot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_yield_in_zap = {
	.name = "yield_in_zap",
	.what = "zaps of large ranges give way to faults",
	.vcpus = 5,
	.set_up = set_up,
};
