/*
 * Two vCPUs fault in pages of a huge leaf for which the host answers 4K: each freezes the
 * leaf, flushes, thaws it and links a table, and at each step one of them comes too late
 * (C2 of lib/mmu/change.h; policy TDP_HUGE_FAULT_ZAP). A third vCPU asks for a page of the
 * other half and makes the leaf huge again.
 */
#include <errno.h>

#include "stress/stage/page_set.h"

/* The leaf exists and allows the access, so a walk would not fault for a smaller one. */
static int map_page(struct player *player, unsigned int page)
{
	struct page_set *set = player->arg;
	int err = player_fault(player, tdp_gfn(set->config.gfn + page_set_offset(set, page)));

	return err ? err : page_set_read(player, set, page);
}

static int map_lower(struct player *player)
{
	return map_page(player, 0);
}

static int map_its_neighbour(struct player *player)
{
	return map_page(player, 1);
}

static int read_upper(struct player *player)
{
	return page_set_read(player, player->arg, 2);
}

/* The huge leaf exists, and is in the TLB of the third vCPU. */
static int prepare(struct player *player)
{
	int err = page_set_prepare(player);

	return err ? err : read_upper(page_set_player(player, 2));
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress, &(struct page_set_config){.shape = PAGE_SET_MIXED, .gfn = 0x1000});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "lower", map_lower, set);
	stress_cast_vcpu(stress, "neighbour", map_its_neighbour, set);
	return stress_cast_vcpu(stress, "upper", read_upper, set);
}

const struct scenario scenario_small_freeze_vs_link = {
	.name = "small_freeze_vs_link",
	.what = "two vCPUs zap a huge leaf and link a table in its place",
	.vcpus = 3,
	.steps = 800,
	.huge_fault = TDP_HUGE_FAULT_ZAP,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = page_set_verify_round,
};
