/*
 * The host moves two neighbouring pages in two threads, so that two invalidations are
 * open at once, while a vCPU faults both in: who ends first must not uncover the
 * other's range (invalidation_add() in lib/mmu/invalidate.c).
 */
#include <errno.h>

#include "support/bed.h"

static int read_both(struct player *player)
{
	int err = bed_read(player, player->arg, 1);

	return err ? err : bed_read(player, player->arg, 0);
}

static int move(struct player *player)
{
	return bed_move(player, player->arg, player->number);
}

static int set_up(struct stress *stress)
{
	struct bed *bed =
		bed_create(stress, &(struct bed_config){.shape = BED_SMALL, .gfn = 0x1000});

	if (!bed)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_both, bed);
	return stress_cast(stress, "mover", move, bed, 2);
}

const struct scenario scenario_small_two_unmaps = {
	.name = "small_two_unmaps",
	.what = "two invalidations overlap under a fault",
	.vcpus = 1,
	.steps = 500,
	.set_up = set_up,
	.prepare = bed_prepare,
	.settle = bed_judge,
};
