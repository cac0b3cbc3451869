/*
 * A slot is created where one vCPU has an MMIO entry and another one is about to make one:
 * entries made from the old slots must not outlive them (M2 of lib/guest/memslot.h).
 */
#include <errno.h>

#include "stress/stage/page_set.h"

struct world {
	struct page_set *set;
	atomic_u32 there; /* the slot has been created; release */
};

static int read_page(struct player *player)
{
	struct world *world = player->arg;
	enum tdp_outcome outcome;
	bool there = u32_load_acquire(&world->there);
	int err = page_set_read_at(player, world->set, world->set->config.gfn, 0, &outcome);

	if (!err && there && outcome != TDP_ACCESS_DONE)
		return player_fail(player, "outcome %d where there is a slot", (int)outcome);
	return err;
}

static int read_twice(struct player *player)
{
	int err = read_page(player);

	return err ? err : read_page(player);
}

static int create(struct player *player)
{
	struct world *world = player->arg;
	int err = page_set_set_slot(player, world->set, world->set->config.gfn, world->set->pages);

	u32_store_release(&world->there, 1);
	return err;
}

/* The first vCPU has made an MMIO entry. */
static int prepare(struct player *player)
{
	struct world *world = player->arg;
	int err = 0;

	if (u32_load_relaxed(&world->there)) /* no player acts */
		err = page_set_set_slot(player, world->set, world->set->config.gfn, 0);
	u32_store_release(&world->there, 0);
	return err ? err : read_page(player);
}

static int settle(struct player *player)
{
	struct world *world = player->arg;
	int err = read_page(player);

	return err ? err : page_set_verify(player, world->set);
}

static int set_up(struct stress *stress)
{
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	world->set = page_set_create(
		stress,
		&(struct page_set_config){.shape = PAGE_SET_4K, .gfn = 0x1000, .absent = true});
	if (!world->set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_page, world);
	stress_cast_vcpu(stress, "late reader", read_twice, world);
	return stress_cast(stress, "landlord", create, world, 1);
}

const struct scenario scenario_small_mmio_vs_create = {
	.name = "small_mmio_vs_create",
	.what = "a slot is created where MMIO entries are, or about to be",
	.vcpus = 2,
	.steps = 300,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = settle,
};
