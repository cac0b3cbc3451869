/*
 * On a CPU without accessed flags: a vCPU touches an aged page and restores its rights
 * without the slots or mmu_lock, while the slot is deleted (lib/mmu/fast.c,
 * lib/vm/slots.c).
 */
#include <errno.h>

#include "stress/stage/ageing.h"
#include "stress/stage/page_set.h"

static int write_page(struct player *player)
{
	struct page_set *set = player->arg;
	enum tdp_outcome outcome;

	return page_set_write_at(player, set, set->config.gfn, 0, &outcome);
}

static int delete (struct player *player)
{
	struct page_set *set = player->arg;
	int err = page_set_set_slot(player, set, set->config.gfn, 0);

	if (!err)
		page_set_close(set);
	return err;
}

static int prepare(struct player *player)
{
	struct page_set *set = player->arg;
	int err = page_set_set_slot(player, set, set->config.gfn, set->pages);

	if (!err)
		err = page_set_prepare(player);
	if (!err)
		err = write_page(player);
	age_page(player->stress, tdp_gfn(set->config.gfn + page_set_offset(set, 0)));
	return err;
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress,
		&(struct page_set_config){.shape = PAGE_SET_4K, .gfn = 0x1000, .absent = true});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "writer", write_page, set);
	return stress_cast(stress, "landlord", delete, set, 1);
}

const struct scenario scenario_small_fast_vs_slot_delete = {
	.name = "small_fast_vs_slot_delete",
	.what = "a fast page fault restores an aged page while its slot is deleted",
	.vcpus = 1,
	.steps = 7000,
	.maxphyaddr = 36,
	.ept_only = true,
	.no_ad = true,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = page_set_verify_round,
};
