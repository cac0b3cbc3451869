/*
 * All roots are invalidated and zapped while a vCPU faults in the old root and the host
 * moves the page: no fault maps into an invalid root (R4 of lib/mmu/root.h), and an unmap
 * by the host visits invalid roots as well (Z2 of lib/mmu/zap.h).
 */
#include <errno.h>

#include "stress/stage/page_set.h"

static int write_page(struct player *player)
{
	return page_set_write(player, player->arg, 0);
}

static int zap(struct player *player)
{
	tdp_mmu_zap_all_fast(player->stress->vm);
	return 0;
}

static int move(struct player *player)
{
	return page_set_move(player, player->arg, 1);
}

/* The page that moves is mapped; the one that is written is not. */
static int prepare(struct player *player)
{
	int err = page_set_prepare(player);

	return err ? err : page_set_write(player, player->arg, 1);
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress, &(struct page_set_config){
				.shape = PAGE_SET_4K, .gfn = 0x1000, .check_roots = true});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "writer", write_page, set);
	stress_cast(stress, "zapper", zap, set, 1);
	return stress_cast(stress, "mover", move, set, 1);
}

const struct scenario scenario_small_root_invalidation = {
	.name = "small_root_invalidation",
	.what = "roots are invalidated under a fault and an unmap",
	.vcpus = 1,
	.steps = 8000,
	.maxphyaddr = 36,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = page_set_verify_round,
};
