/*
 * Two threads of the host move two adjacent pages, so that two invalidations are open at
 * once, while a vCPU faults both in: the end of the first must not uncover the range of
 * the other (invalidation_add() in lib/mmu/invalidate.c).
 */
#include <errno.h>

#include "stress/stage/page_set.h"

static int read_both(struct player *player)
{
	int err = page_set_read(player, player->arg, 1);

	return err ? err : page_set_read(player, player->arg, 0);
}

static int move(struct player *player)
{
	return page_set_move(player, player->arg, player->number);
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress, &(struct page_set_config){.shape = PAGE_SET_4K, .gfn = 0x1000});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_both, set);
	return stress_cast(stress, "mover", move, set, 2);
}

const struct scenario scenario_small_two_unmaps = {
	.name = "small_two_unmaps",
	.what = "two invalidations overlap under a fault",
	.vcpus = 1,
	.steps = 500,
	.set_up = set_up,
	.prepare = page_set_prepare,
	.verify_round = page_set_verify_round,
};
