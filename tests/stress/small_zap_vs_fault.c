/*
 * A range is zapped for a reason that is not the host's while a vCPU writes to it and
 * the host moves one of its pages: who finds it mapped nowhere does not flush, so who
 * took it away must have (Z1 of lib/mmu/zap.h).
 */
#include <errno.h>

#include "support/bed.h"

static int write_page(struct player *player)
{
	return bed_write(player, player->arg, 0);
}

static int zap(struct player *player)
{
	const struct bed *bed = player->arg;

	tdp_mmu_zap_range(bed->stress->vm, tdp_gfn(bed->config.gfn + bed_offset(bed, 0)), 2);
	return 0;
}

static int move(struct player *player)
{
	return bed_move(player, player->arg, 0);
}

/* Both pages are in the vCPU's TLB. */
static int prepare(struct player *player)
{
	int err = bed_prepare(player);

	if (!err)
		err = bed_write(player, player->arg, 0);
	return err ? err : bed_write(player, player->arg, 1);
}

static int set_up(struct stress *stress)
{
	struct bed *bed =
		bed_create(stress, &(struct bed_config){.shape = BED_SMALL, .gfn = 0x1000});

	if (!bed)
		return -ENOMEM;
	stress_cast_vcpu(stress, "writer", write_page, bed);
	stress_cast(stress, "zapper", zap, bed, 1);
	return stress_cast(stress, "mover", move, bed, 1);
}

const struct scenario scenario_small_zap_vs_fault = {
	.name = "small_zap_vs_fault",
	.what = "a range is zapped under a fault and a move",
	.vcpus = 1,
	.steps = 300,
	.set_up = set_up,
	.prepare = prepare,
	.settle = bed_judge,
};
