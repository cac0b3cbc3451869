/*
 * On a CPU without accessed flags: two vCPUs touch an aged page and restore its rights
 * without mmu_lock, while the host moves it. A compare-and-swap that comes too late must
 * fail (lib/mmu/fast.c).
 */
#include <errno.h>

#include "stress/stage/ageing.h"
#include "stress/stage/page_set.h"

static int read_page(struct player *player)
{
	return page_set_read(player, player->arg, 0);
}

static int write_page(struct player *player)
{
	return page_set_write(player, player->arg, 0);
}

static int move(struct player *player)
{
	return page_set_move(player, player->arg, 0);
}

static int prepare(struct player *player)
{
	const struct page_set *set = player->arg;
	int err = page_set_prepare(player);

	if (!err)
		err = write_page(player);
	age_page(player->stress, tdp_gfn(set->config.gfn + page_set_offset(set, 0)));
	return err;
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress, &(struct page_set_config){.shape = PAGE_SET_4K, .gfn = 0x1000});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_page, set);
	stress_cast_vcpu(stress, "writer", write_page, set);
	return stress_cast(stress, "mover", move, set, 1);
}

const struct scenario scenario_small_fast_vs_unmap = {
	.name = "small_fast_vs_unmap",
	.what = "a fast page fault restores an aged page while it moves",
	.vcpus = 2,
	.steps = 400,
	.ept_only = true,
	.no_ad = true,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = page_set_verify_round,
};
