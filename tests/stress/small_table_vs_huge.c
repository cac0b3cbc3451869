/*
 * A fault replaces a table by a huge leaf while one vCPU reads through the table, whose
 * entry is in its paging-structure cache, and another one maps into it (C3 of
 * lib/mmu/change.h and of lib/paging/walk_cache.h). Then a range of the huge leaf is
 * zapped with a flush of only that range (policy range_flush exact): the pages that the
 * table mapped must have left all TLBs before.
 */
#include <errno.h>

#include "stress/stage/page_set.h"

static int read_lower(struct player *player)
{
	return page_set_read(player, player->arg, 0);
}

static int read_its_neighbour(struct player *player)
{
	return page_set_read(player, player->arg, 1);
}

static int read_upper(struct player *player)
{
	return page_set_read(player, player->arg, 2);
}

static int zap_upper(struct player *player)
{
	const struct page_set *set = player->arg;

	tdp_mmu_zap_range(set->stress->vm, tdp_gfn(set->config.gfn + page_set_offset(set, 2)), 1);
	return 0;
}

/* The table exists and maps a page. */
static int prepare(struct player *player)
{
	int err = page_set_prepare(player);

	return err ? err : read_lower(player);
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress, &(struct page_set_config){.shape = PAGE_SET_MIXED, .gfn = 0x1000});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "lower", read_lower, set);
	stress_cast_vcpu(stress, "neighbour", read_its_neighbour, set);
	stress_cast_vcpu(stress, "upper", read_upper, set);
	return stress_cast(stress, "zapper", zap_upper, set, 1);
}

const struct scenario scenario_small_table_vs_huge = {
	.name = "small_table_vs_huge",
	.what = "a huge leaf replaces a table under a walk and a fault",
	.vcpus = 3,
	.steps = 800,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = page_set_verify_round,
};
