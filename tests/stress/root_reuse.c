/*
 * Roots are invalidated one after the other by few vCPUs, with few table frames,
 * so that a root soon lies in a frame in which another root lay before. What a TLB
 * kept of the earlier one must have gone when the new one was loaded (load_root()
 * in lib/mmu/context.c): zapping an invalid root owes no flush (R4 of root.h), and
 * the page that moved meanwhile was mapped nowhere.
 */
#include <errno.h>

#include "support/plot.h"

static int invalidate_and_move(struct player *player)
{
	struct plot *plot = player->arg;
	struct terrain *terrain = plot->terrain;
	int err = 0;

	while (!err && player_goes_on(player)) {
		tdp_mmu_zap_all_fast(player->stress->vm);
		err = terrain_move_page(player, terrain,
					(unsigned int)player_below(player, terrain_pages(terrain)));
		if (player_chance(player, 50) && !err)
			err = terrain_move_region(player, terrain, 0);
		player_dawdle(player, 2);
	}
	return err;
}

static int set_up(struct stress *stress)
{
	struct plot *plot =
		plot_create(stress, &(struct terrain_config){.regions = 1, .small_only = true}, 0,
			    0, tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!plot)
		return -ENOMEM;
	stress_cast_vcpus(stress, plot_visitor, plot);
	stress_cast(stress, "invalidator", invalidate_and_move, plot, 1);
	return 0; /* no checker: it would slow down the going round */
}

const struct scenario scenario_root_reuse = {
	.name = "root_reuse",
	.what = "roots come round again in the same frames",
	.vcpus = 2,
	.table_bytes = 8 << 20,
	.set_up = set_up,
};
