/*
 * Two vCPUs write to a huge leaf that was readable only: both split it, one table wins,
 * and a third reads meanwhile (mmu_split_leaf() in lib/mmu/split.c; 386d69f9f29b where a
 * reader would narrow what a writer has just mapped).
 */
#include <errno.h>

#include "support/bed.h"

static int write_lower(struct player *player)
{
	return bed_write(player, player->arg, 0);
}

static int write_upper(struct player *player)
{
	return bed_write(player, player->arg, 2);
}

/* From an exit that was under way: the leaf, once there, allows what is asked. */
static int read_lower(struct player *player)
{
	struct bed *bed = player->arg;
	int err = player_fault(player, tdp_gfn(bed->config.gfn + bed_offset(bed, 0)));

	return err ? err : bed_read(player, bed, 0);
}

/* The huge leaf is there, in the first one's TLB. */
static int prepare(struct player *player)
{
	int err = bed_prepare(player);

	return err ? err : bed_read(player, player->arg, 0);
}

static int set_up(struct stress *stress)
{
	struct bed *bed =
		bed_create(stress, &(struct bed_config){.shape = BED_HUGE_TO_READ, .gfn = 0x1000});

	if (!bed)
		return -ENOMEM;
	stress_cast_vcpu(stress, "writer", write_lower, bed);
	stress_cast_vcpu(stress, "other writer", write_upper, bed);
	return stress_cast_vcpu(stress, "reader", read_lower, bed);
}

const struct scenario scenario_small_split_vs_split = {
	.name = "small_split_vs_split",
	.what = "two vCPUs split the same huge leaf",
	.vcpus = 3,
	.steps = 300,
	.huge_fault = TDP_HUGE_FAULT_SPLIT,
	.set_up = set_up,
	.prepare = prepare,
	.settle = bed_judge,
};
