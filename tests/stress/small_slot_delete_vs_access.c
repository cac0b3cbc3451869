/*
 * A slot is deleted while one vCPU has its page in the TLB and another one faults it in.
 * After the deletion has returned nothing accesses the memory of the slot
 * (lib/vm/slots.c).
 */
#include <errno.h>

#include "stress/stage/page_set.h"

static int read_page(struct player *player)
{
	struct page_set *set = player->arg;
	enum tdp_outcome outcome;

	return page_set_read_at(player, set, set->config.gfn, 0, &outcome);
}

static int write_page(struct player *player)
{
	struct page_set *set = player->arg;
	enum tdp_outcome outcome;

	return page_set_write_at(player, set, set->config.gfn, 1, &outcome);
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
	return err ? err : read_page(player);
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress,
		&(struct page_set_config){.shape = PAGE_SET_4K, .gfn = 0x1000, .absent = true});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_page, set);
	stress_cast_vcpu(stress, "writer", write_page, set);
	return stress_cast(stress, "landlord", delete, set, 1);
}

const struct scenario scenario_small_slot_delete_vs_access = {
	.name = "small_slot_delete_vs_access",
	.what = "a slot is deleted under a reader and a fault",
	.vcpus = 2,
	.steps = 8000,
	.maxphyaddr = 36,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = page_set_verify_round,
};
