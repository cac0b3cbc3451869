/*
 * A slot moves while one vCPU uses its old place and another one accesses the new place.
 * Until the move returns an access may have either outcome; afterwards the old place is
 * MMIO and the new one is memory.
 */
#include <errno.h>

#include "stress/stage/page_set.h"

#define OLD 0x1000
#define NEW 0x2000

struct world {
	struct page_set *set;
	atomic_u32 moved; /* release */
};

static int read_at(struct player *player, uint64_t gfn, enum tdp_outcome once_moved)
{
	struct world *world = player->arg;
	enum tdp_outcome outcome;
	bool moved = u32_load_acquire(&world->moved);
	int err = page_set_read_at(player, world->set, gfn, 0, &outcome);

	if (!err && moved && outcome != once_moved)
		return player_fail(player, "gfn 0x%llx: outcome %d after the slot has moved",
				   (unsigned long long)gfn, (int)outcome);
	return err;
}

static int read_old(struct player *player)
{
	return read_at(player, OLD, TDP_ACCESS_MMIO);
}

static int read_new(struct player *player)
{
	return read_at(player, NEW, TDP_ACCESS_DONE);
}

static int move(struct player *player)
{
	struct world *world = player->arg;
	int err = page_set_set_slot(player, world->set, NEW, world->set->pages);

	u32_store_release(&world->moved, 1);
	return err;
}

static int prepare(struct player *player)
{
	struct world *world = player->arg;
	int err = page_set_set_slot(player, world->set, OLD, world->set->pages);

	u32_store_release(&world->moved, 0);
	if (!err)
		err = read_old(player);
	return err ? err : read_new(page_set_player(player, 1));
}

static int settle(struct player *player)
{
	struct world *world = player->arg;
	int err = read_old(player);

	if (!err)
		err = read_new(player);
	return err ? err : page_set_verify(player, world->set);
}

static int set_up(struct stress *stress)
{
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	world->set = page_set_create(stress,
				     &(struct page_set_config){.shape = PAGE_SET_4K, .gfn = OLD});
	if (!world->set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "old reader", read_old, world);
	stress_cast_vcpu(stress, "new reader", read_new, world);
	return stress_cast(stress, "landlord", move, world, 1);
}

const struct scenario scenario_small_slot_move = {
	.name = "small_slot_move",
	.what = "a slot moves under its users",
	.vcpus = 2,
	.steps = 9000,
	.maxphyaddr = 36,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = settle,
};
