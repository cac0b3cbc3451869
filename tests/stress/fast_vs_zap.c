/*
 * On a CPU without accessed and dirty flags an old page has no rights at all, and
 * the next access gives them back without mmu_lock (lib/mmu/fast.c). Here pages
 * grow old all the time (support/old.h) while the host moves them: a lost race must
 * never give back the rights of an entry that has gone.
 */
#include <errno.h>

#include "support/old.h"
#include "support/plot.h"

static int age(struct player *player)
{
	struct plot *plot = player->arg;

	while (player_goes_on(player)) {
		unsigned int page =
			(unsigned int)player_below(player, terrain_pages(plot->terrain));

		grow_old(player->stress, tdp_gfn(plot->gfn[0].n + terrain_offset(page)));
		player_dawdle(player, 2);
	}
	return 0;
}

static int judge(struct stress *stress)
{
	struct tdp_stats stats;

	tdp_vm_stats(stress->vm, &stats);
	return stats.pf_fast ? 0 : -ENODATA;
}

static int set_up(struct stress *stress)
{
	struct plot *plot = plot_create(stress, &(struct terrain_config){.regions = 2}, 0, 0,
					tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!plot)
		return -ENOMEM;
	stress_cast_vcpus(stress, plot_visitor, plot);
	stress_cast(stress, "ager", age, plot, 2);
	stress_cast(stress, "page mover", plot_page_mover, plot, 1);
	stress_cast(stress, "region mover", plot_region_mover, plot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_fast_vs_zap = {
	.name = "fast_vs_zap",
	.what = "fast page faults against invalidations (EPT without A/D)",
	.vcpus = 3,
	.ept_only = true,
	.no_ad = true,
	.set_up = set_up,
	.judge = judge,
};
