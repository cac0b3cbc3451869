/*
 * NX huge pages with everything that takes tables away: rounds of recovery, fast zaps
 * of all roots, the switch, and a host that moves memory. vCPUs
 * execute, read and write; what they read is held against the pages' stamps. The
 * checker holds the list against the trees (X3 of lib/mmu/nx.h) and each leaf's right
 * to be executed against the switch (X5).
 */
#include <errno.h>

#include "support/plot.h"

struct world {
	struct plot *plot;
	atomic_u64 taken; /* tables, by recovery; relaxed, for the verdict at the end */
};

static int execute(struct player *player, struct plot *plot, unsigned int page)
{
	uint64_t gfn = plot->gfn[0].n + terrain_offset(page);
	struct tdp_access_result result;
	int err = player_access(player, gfn << TDP_PAGE_SHIFT, TDP_FETCH, NULL, 0, &result);

	if (err || result.outcome == TDP_ACCESS_DONE)
		return err;
	return player_fail(player, "gfn 0x%llx: outcome %d", (unsigned long long)gfn,
			   (int)result.outcome);
}

static int visit(struct player *player)
{
	struct plot *plot = ((struct world *)player->arg)->plot;
	int err = 0;

	while (!err && player_goes_on(player)) {
		unsigned int page =
			(unsigned int)player_below(player, terrain_pages(plot->terrain));

		err = player_chance(player, 3)
			      ? execute(player, plot, page)
			      : plot_visit(player, plot, page, player_chance(player, 4));
	}
	return err;
}

static int recover(struct player *player)
{
	struct world *world = player->arg;

	while (player_goes_on(player)) {
		u64_add_relaxed(&world->taken, tdp_vm_recover_nx_huge_pages(player->stress->vm));
		player_dawdle(player, 6);
	}
	return 0;
}

static int zap(struct player *player)
{
	struct tdp_vm *vm = player->stress->vm;

	while (player_goes_on(player)) {
		if (player_chance(player, 3)) {
			tdp_vm_set_nx_huge_pages(vm, false);
			player_dawdle(player, 3);
			tdp_vm_set_nx_huge_pages(vm, true);
		} else {
			tdp_mmu_zap_all_fast(vm);
		}
		player_dawdle(player, 40);
	}
	return 0;
}

static int judge(struct stress *stress)
{
	const struct world *world = stress->world;

	return u64_load_relaxed(&world->taken) ? 0 : -ENODATA;
}

static int set_up(struct stress *stress)
{
	struct world *world = stress->world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	world->plot = plot_create(stress, &(struct terrain_config){.regions = 3, .huge_only = true},
				  0, 0, tdp_gfn(0x1000), tdp_gfn(0x9000), false);
	if (!world->plot)
		return -ENOMEM;
	stress_cast_vcpus(stress, visit, world);
	stress_cast(stress, "recovery", recover, world, 1);
	stress_cast(stress, "zapper", zap, world, 1);
	stress_cast(stress, "region mover", plot_region_mover, world->plot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_nx_recovery_vs_zap = {
	.name = "nx_recovery_vs_zap",
	.what = "huge pages are recovered while roots and memory go away",
	.vcpus = 2,
	.nx_ratio = 2,
	.set_up = set_up,
	.judge = judge,
};
