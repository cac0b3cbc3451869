/*
 * The host maps a region huge or small, as each fault asks: 4K tables are replaced
 * by huge leaves while other vCPUs map into those tables (C3 of lib/mmu/change.h,
 * the flush of lib/mmu/map.c), and huge leaves are split again. Nothing here takes
 * rights away from a vCPU, so an access never meets an entry that refuses it.
 */
#include <errno.h>

#include "support/plot.h"

static int zap(struct player *player)
{
	struct plot *plot = player->arg;

	while (player_goes_on(player)) {
		unsigned int page =
			(unsigned int)player_below(player, terrain_pages(plot->terrain));

		tdp_mmu_zap_range(player->stress->vm,
				  tdp_gfn(plot->gfn[0].n + terrain_offset(page)), 1);
		player_dawdle(player, 2);
	}
	return 0;
}

static int set_up(struct stress *stress)
{
	struct plot *plot =
		plot_create(stress, &(struct terrain_config){.regions = 2, .flicker_only = true}, 0,
			    0, tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!plot)
		return -ENOMEM;
	stress_cast_vcpus(stress, plot_visitor, plot);
	stress_cast(stress, "zapper", zap, plot, 2);
	stress_cast(stress, "region mover", plot_region_mover, plot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_table_vs_huge = {
	.name = "table_vs_huge",
	.what = "huge leaves replace tables that others map into",
	.vcpus = 4,
	.table_bytes = 16 << 20,
	.set_up = set_up,
};
