/*
 * A round of recovery zaps the table that a fetch has made, and the host moves the memory:
 * it finds nothing mapped and does not flush, so the round must have flushed, for a vCPU
 * that reads through its TLB (X4 of lib/mmu/nx.h). Another vCPU executes.
 */
#include <errno.h>

#include "stress/stage/page_set.h"

static int read_page(struct player *player)
{
	return page_set_read(player, player->arg, 0);
}

static int execute(struct player *player)
{
	return page_set_fetch(player, player->arg, 2);
}

static int recover(struct player *player)
{
	tdp_vm_recover_nx_huge_pages(player->stress->vm);
	return 0;
}

static int move(struct player *player)
{
	return page_set_move(player, player->arg, 0);
}

/* The table is on the list, and the page is in the TLB of the reader. */
static int prepare(struct player *player)
{
	struct page_set *set = player->arg;
	int err = page_set_prepare(player);

	if (!err)
		err = page_set_fetch(player, set, 0);
	return err ? err : read_page(player);
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress, &(struct page_set_config){.shape = PAGE_SET_2M, .gfn = 0x1000});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_page, set);
	stress_cast_vcpu(stress, "executor", execute, set);
	stress_cast(stress, "recovery", recover, set, 1);
	return stress_cast(stress, "mover", move, set, 1);
}

const struct scenario scenario_small_nx_recovery_vs_unmap = {
	.name = "small_nx_recovery_vs_unmap",
	.what = "a huge page is recovered under a reader, a fetch and a move",
	.vcpus = 2,
	.steps = 1500,
	.nx_ratio = 1,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = page_set_verify_round,
};
