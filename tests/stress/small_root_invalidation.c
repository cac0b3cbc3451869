/*
 * All roots are invalidated and zapped while a vCPU faults in the old root and the host
 * moves the page: nobody maps into an invalid root (R4 of lib/mmu/root.h), and the host's
 * unmap goes over invalid roots too (Z2 of lib/mmu/zap.h).
 */
#include <errno.h>

#include "support/bed.h"

static int write_page(struct player *player)
{
	return bed_write(player, player->arg, 0);
}

static int zap(struct player *player)
{
	tdp_mmu_zap_all_fast(player->stress->vm);
	return 0;
}

static int move(struct player *player)
{
	return bed_move(player, player->arg, 1);
}

/* The page that moves is mapped, the one that is written is not. */
static int prepare(struct player *player)
{
	int err = bed_prepare(player);

	return err ? err : bed_write(player, player->arg, 1);
}

static int set_up(struct stress *stress)
{
	struct bed *bed = bed_create(
		stress, &(struct bed_config){.shape = BED_SMALL, .gfn = 0x1000, .witness = true});

	if (!bed)
		return -ENOMEM;
	stress_cast_vcpu(stress, "writer", write_page, bed);
	stress_cast(stress, "zapper", zap, bed, 1);
	return stress_cast(stress, "mover", move, bed, 1);
}

const struct scenario scenario_small_root_invalidation = {
	.name = "small_root_invalidation",
	.what = "roots are invalidated under a fault and an unmap",
	.vcpus = 1,
	.steps = 8000,
	.maxphyaddr = 36,
	.set_up = set_up,
	.prepare = prepare,
	.settle = bed_judge,
};
