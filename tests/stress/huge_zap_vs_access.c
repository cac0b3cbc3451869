/*
 * A huge leaf is broken up by one vCPU's write while others read through what
 * their TLBs kept of it; then the host moves single pages of it that nobody has
 * faulted in again. Such a page is mapped nowhere, so nobody flushes for it: the
 * flush must have been made when the huge leaf went (policy TDP_HUGE_FAULT_ZAP;
 * entry_zap_atomic() in lib/mmu/change.c).
 */
#include <errno.h>

#include "support/plot.h"

/* A write at first, then the host's moves of single pages, then a fresh block. */
static int move(struct player *player)
{
	struct plot *plot = player->arg;
	struct terrain *terrain = plot->terrain;
	int err = 0;

	while (!err && player_goes_on(player)) {
		unsigned int region = (unsigned int)player_below(player, terrain->config.regions);

		for (unsigned int i = 0; i < TERRAIN_TRACKED && !err; i++) {
			player_dawdle(player, 3);
			err = terrain_move_page(player, terrain, region * TERRAIN_TRACKED + i);
		}
		player_dawdle(player, 10);
		if (!err)
			err = terrain_move_region(player, terrain, region);
		player_dawdle(player, 10);
	}
	return err;
}

static int set_up(struct stress *stress)
{
	struct plot *plot =
		plot_create(stress, &(struct terrain_config){.regions = 1, .write_breaks = true}, 0,
			    0, tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!plot)
		return -ENOMEM;
	stress_cast_vcpus(stress, plot_reader, plot);
	stress_cast(stress, "mover", move, plot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_huge_zap_vs_access = {
	.name = "huge_zap_vs_access",
	.what = "a huge leaf is broken up under readers, its pages move one by one",
	.vcpus = 3,
	.set_up = set_up,
};
