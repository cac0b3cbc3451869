/*
 * A range is zapped for another reason than an unmap by the host, while a vCPU writes to
 * it and the host moves one of its pages. A move that finds nothing mapped does not flush,
 * so the zap must have (Z1 of lib/mmu/zap.h).
 */
#include <errno.h>

#include "stress/stage/page_set.h"

static int write_page(struct player *player)
{
	return page_set_write(player, player->arg, 0);
}

static int zap(struct player *player)
{
	const struct page_set *set = player->arg;

	tdp_mmu_zap_range(set->stress->vm, tdp_gfn(set->config.gfn + page_set_offset(set, 0)), 2);
	return 0;
}

static int move(struct player *player)
{
	return page_set_move(player, player->arg, 0);
}

/* Both pages are in the TLB of the vCPU. */
static int prepare(struct player *player)
{
	int err = page_set_prepare(player);

	if (!err)
		err = page_set_write(player, player->arg, 0);
	return err ? err : page_set_write(player, player->arg, 1);
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress, &(struct page_set_config){.shape = PAGE_SET_4K, .gfn = 0x1000});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "writer", write_page, set);
	stress_cast(stress, "zapper", zap, set, 1);
	return stress_cast(stress, "mover", move, set, 1);
}

const struct scenario scenario_small_zap_vs_fault = {
	.name = "small_zap_vs_fault",
	.what = "a range is zapped under a fault and a move",
	.vcpus = 1,
	.steps = 300,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = page_set_verify_round,
};
