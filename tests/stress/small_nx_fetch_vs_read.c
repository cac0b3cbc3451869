/*
 * A fetch makes a table where a huge leaf is possible. A read finds it and must not
 * replace it by the huge leaf (X1 of lib/mmu/nx.h). A round of recovery zaps it, before or
 * after it is on the list (X2).
 */
#include <errno.h>

#include "stress/stage/page_set.h"

static int execute(struct player *player)
{
	return page_set_fetch(player, player->arg, 0);
}

static int read_page(struct player *player)
{
	return page_set_read(player, player->arg, 2);
}

static int recover(struct player *player)
{
	tdp_vm_recover_nx_huge_pages(player->stress->vm);
	return 0;
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress, &(struct page_set_config){.shape = PAGE_SET_2M, .gfn = 0x1000});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "executor", execute, set);
	stress_cast_vcpu(stress, "reader", read_page, set);
	return stress_cast(stress, "recovery", recover, set, 1);
}

const struct scenario scenario_small_nx_fetch_vs_read = {
	.name = "small_nx_fetch_vs_read",
	.what = "a fetch makes a table where a read would make a huge leaf",
	.vcpus = 2,
	.steps = 1000,
	.nx_ratio = 1,
	.set_up = set_up,
	.prepare = page_set_prepare,
	.verify_round = page_set_verify_round,
};
