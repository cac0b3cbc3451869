/*
 * A lockless walk over a root that is invalidated and zapped meanwhile (witness.h says
 * what is judged), while a vCPU leaves that root for a new one.
 */
#include <errno.h>

#include "support/bed.h"
#include "support/witness.h"

static int read_page(struct player *player)
{
	return bed_read(player, player->arg, 0);
}

static int walk(struct player *player)
{
	const struct bed *bed = player->arg;

	return witness_walk(player, 0, tdp_gfn(bed->config.gfn), 3, TDP_4K);
}

static int zap(struct player *player)
{
	tdp_mmu_zap_all_fast(player->stress->vm);
	return 0;
}

static int prepare(struct player *player)
{
	int err = bed_prepare(player);

	return err ? err : read_page(player);
}

static int set_up(struct stress *stress)
{
	struct bed *bed =
		bed_create(stress, &(struct bed_config){.shape = BED_SMALL, .gfn = 0x1000});

	if (!bed)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_page, bed);
	stress_cast(stress, "witness", walk, bed, 1);
	return stress_cast(stress, "zapper", zap, bed, 1);
}

const struct scenario scenario_small_walk_vs_zap = {
	.name = "small_walk_vs_zap",
	.what = "a lockless walk in a root that is zapped",
	.vcpus = 1,
	.steps = 8000,
	.maxphyaddr = 36,
	.set_up = set_up,
	.prepare = prepare,
	.settle = bed_judge,
};
