/*
 * On a CPU without an accessed flag: two vCPUs touch a page that has grown old, and give
 * its rights back without mmu_lock, while the host moves it. A swap that comes too late
 * must fail (lib/mmu/fast.c).
 */
#include <errno.h>

#include "support/bed.h"
#include "support/old.h"

static int read_page(struct player *player)
{
	return bed_read(player, player->arg, 0);
}

static int write_page(struct player *player)
{
	return bed_write(player, player->arg, 0);
}

static int move(struct player *player)
{
	return bed_move(player, player->arg, 0);
}

static int prepare(struct player *player)
{
	const struct bed *bed = player->arg;
	int err = bed_prepare(player);

	if (!err)
		err = write_page(player);
	grow_old(player->stress, tdp_gfn(bed->config.gfn + bed_offset(bed, 0)));
	return err;
}

static int set_up(struct stress *stress)
{
	struct bed *bed =
		bed_create(stress, &(struct bed_config){.shape = BED_SMALL, .gfn = 0x1000});

	if (!bed)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_page, bed);
	stress_cast_vcpu(stress, "writer", write_page, bed);
	return stress_cast(stress, "mover", move, bed, 1);
}

const struct scenario scenario_small_fast_vs_unmap = {
	.name = "small_fast_vs_unmap",
	.what = "an old page is repaired without a lock while it moves",
	.vcpus = 2,
	.steps = 400,
	.ept_only = true,
	.no_ad = true,
	.set_up = set_up,
	.prepare = prepare,
	.settle = bed_judge,
};
