/*
 * One page: the host moves it while one vCPU reads it, by a fault or through its TLB, and
 * another one writes it (N1 and N2 of lib/mmu/invalidate.h).
 */
#include <errno.h>

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

/* The page is in the TLB of the reader. */
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
	stress_cast_vcpu(stress, "writer", write_page, set);
	return stress_cast(stress, "mover", move, set, 1);
}

const struct scenario scenario_small_unmap_vs_fault = {
	.name = "small_unmap_vs_fault",
	.what = "a page moves under a reader and a fault",
	.vcpus = 2,
	.steps = 300,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = page_set_verify_round,
};
