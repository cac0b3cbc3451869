/*
 * One zap visits the roots of two address spaces and yields in the second, while the flush
 * for the first is still owed (mmu_zap_leaves() in lib/mmu/zap.c). The host moves the page
 * of the first: it finds nothing mapped and does not flush.
 */
#include <errno.h>

#include "stress/stage/page_set.h"

#define GFN 0x1000

struct world {
	struct page_set *sets[2]; /* by address space */
};

static int read_page(struct player *player)
{
	const struct world *world = player->arg;

	return page_set_read(player, world->sets[0], 0);
}

static int read_in_smm(struct player *player)
{
	const struct world *world = player->arg;

	return page_set_read(player, world->sets[1], 0);
}

/* Starts far before the page, so that the walk progresses and may yield before it. */
static int zap(struct player *player)
{
	tdp_mmu_zap_range(player->stress->vm, tdp_gfn(0), 2 * GFN);
	return 0;
}

/* The root of SMM: the newest root is visited first. */
static int move(struct player *player)
{
	const struct world *world = player->arg;

	return page_set_move(player, world->sets[1], 0);
}

static int prepare(struct player *player)
{
	struct player *other = page_set_player(player, 1);
	int err = tdp_vcpu_set_smm(other->vcpu, true);

	if (err)
		return player_fail(player, "SMM cannot be entered: %d", err);
	err = read_page(player);
	return err ? err : read_in_smm(other);
}

static int settle(struct player *player)
{
	const struct world *world = player->arg;
	int err = page_set_verify(player, world->sets[0]);

	return err ? err : page_set_verify(player, world->sets[1]);
}

static int set_up(struct stress *stress)
{
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	for (unsigned int as = 0; as < 2; as++) {
		world->sets[as] = page_set_create(
			stress, &(struct page_set_config){
					.shape = PAGE_SET_4K, .address_space = as, .gfn = GFN});
		if (!world->sets[as])
			return -ENOMEM;
	}
	stress_cast_vcpu(stress, "reader", read_page, world);
	stress_cast_vcpu(stress, "smm reader", read_in_smm, world);
	stress_cast(stress, "zapper", zap, world, 1);
	return stress_cast(stress, "mover", move, world, 1);
}

const struct scenario scenario_small_zap_across_roots = {
	.name = "small_zap_across_roots",
	.what = "a zap of two roots yields before it has flushed",
	.vcpus = 2,
	.steps = 2000,
	.maxphyaddr = 36,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = settle,
};
