/*
 * Two vCPUs write to a read-only huge leaf: both split it, one table wins, and a third
 * vCPU reads meanwhile (mmu_split_leaf() in lib/mmu/split.c; 386d69f9f29b, where a reader
 * would remove rights that a writer has just mapped).
 */
#include <errno.h>

#include "stress/stage/page_set.h"

static int write_lower(struct player *player)
{
	return page_set_write(player, player->arg, 0);
}

static int write_upper(struct player *player)
{
	return page_set_write(player, player->arg, 2);
}

/* As from an exit under way: once the leaf exists it allows the access. */
static int read_lower(struct player *player)
{
	struct page_set *set = player->arg;
	int err = player_fault(player, tdp_gfn(set->config.gfn + page_set_offset(set, 0)));

	return err ? err : page_set_read(player, set, 0);
}

/* The huge leaf exists, and is in the TLB of the first vCPU. */
static int prepare(struct player *player)
{
	int err = page_set_prepare(player);

	return err ? err : page_set_read(player, player->arg, 0);
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress,
		&(struct page_set_config){.shape = PAGE_SET_2M_UNTIL_WRITTEN, .gfn = 0x1000});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "writer", write_lower, set);
	stress_cast_vcpu(stress, "other writer", write_upper, set);
	return stress_cast_vcpu(stress, "reader", read_lower, set);
}

const struct scenario scenario_small_split_vs_split = {
	.name = "small_split_vs_split",
	.what = "two vCPUs split the same huge leaf",
	.vcpus = 3,
	.steps = 300,
	.huge_fault = TDP_HUGE_FAULT_SPLIT,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = page_set_verify_round,
};
