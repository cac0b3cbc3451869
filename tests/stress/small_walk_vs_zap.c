/*
 * A lockless walk of a root that is invalidated and zapped meanwhile, while a vCPU leaves
 * that root for a new one; walk_check.h says what is checked.
 */
#include <errno.h>

#include "stress/stage/page_set.h"
#include "stress/stage/walk_check.h"

static int read_page(struct player *player)
{
	return page_set_read(player, player->arg, 0);
}

static int walk(struct player *player)
{
	const struct page_set *set = player->arg;

	return walk_check(player, 0, tdp_gfn(set->config.gfn), 3, TDP_4K);
}

static int zap(struct player *player)
{
	tdp_mmu_zap_all_fast(player->stress->vm);
	return 0;
}

static int prepare(struct player *player)
{
	int err = page_set_prepare(player);

	return err ? err : read_page(player);
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress, &(struct page_set_config){.shape = PAGE_SET_4K, .gfn = 0x1000});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_page, set);
	stress_cast(stress, "witness", walk, set, 1);
	return stress_cast(stress, "zapper", zap, set, 1);
}

const struct scenario scenario_small_walk_vs_zap = {
	.name = "small_walk_vs_zap",
	.what = "a lockless walk in a root that is zapped",
	.vcpus = 1,
	.steps = 8000,
	.maxphyaddr = 36,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = page_set_verify_round,
};
