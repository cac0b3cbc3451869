/*
 * The zap of a root yields between two of its tables to an unmap by the host, which wants
 * mmu_lock exclusively, while a vCPU faults: the walk must continue where it was and skip
 * nothing (P1 of lib/paging/iter.h), and may yield only after progress (P2).
 */
#include <errno.h>

#include "stress/stage/page_set.h"

#define NEAR 0x1000
#define FAR  (NEAR + (1ULL << 27)) /* another entry of level 4 */

struct world {
	struct page_set *near, *far;
};

static int read_far(struct player *player)
{
	const struct world *world = player->arg;

	return page_set_read(player, world->far, 0);
}

static int zap(struct player *player)
{
	tdp_mmu_zap_all_fast(player->stress->vm);
	return 0;
}

static int move_near(struct player *player)
{
	const struct world *world = player->arg;

	return page_set_move(player, world->near, 0);
}

static int prepare(struct player *player)
{
	const struct world *world = player->arg;
	int err = page_set_read(player, world->near, 0);

	return err ? err : read_far(player);
}

static int settle(struct player *player)
{
	const struct world *world = player->arg;
	int err = page_set_verify(player, world->near);

	return err ? err : page_set_verify(player, world->far);
}

static int set_up(struct stress *stress)
{
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	world->near = page_set_create(stress,
				      &(struct page_set_config){.shape = PAGE_SET_4K, .gfn = NEAR});
	world->far = page_set_create(
		stress, &(struct page_set_config){.shape = PAGE_SET_4K, .gfn = FAR, .slot = 1});
	if (!world->near || !world->far)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_far, world);
	stress_cast(stress, "zapper", zap, world, 1);
	return stress_cast(stress, "mover", move_near, world, 1);
}

const struct scenario scenario_small_yield_in_zap = {
	.name = "small_yield_in_zap",
	.what = "the zap of a root yields to an unmap",
	.vcpus = 1,
	.steps = 25000,
	.maxphyaddr = 40,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = settle,
};
