/*
 * One zap visits the roots of both address spaces, yields in the second, and owes the
 * flush for what it removed from the first (mmu_zap_leaves() in lib/mmu/zap.c). Meanwhile
 * the host moves pages of the first: it finds nothing mapped, so only the zap flushes for
 * them.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

#define FIRST 0x1000

struct world {
	struct moving_slot *slots[2];
};

static int visit(struct player *player)
{
	const struct world *world = player->arg;
	unsigned int as = player->number % 2;
	struct moving_slot *slot = world->slots[as];
	int err = tdp_vcpu_set_smm(player->vcpu, as == 1);

	while (!err && player_goes_on(player))
		err = moving_slot_visit(
			player, slot,
			(unsigned int)player_below(player, stamped_pages(slot->memory)),
			player_chance(player, 4));
	return err;
}

static int zap(struct player *player)
{
	const struct world *world = player->arg;
	uint64_t frames = stamped_frames(world->slots[0]->memory);

	while (player_goes_on(player)) {
		tdp_mmu_zap_range(player->stress->vm, tdp_gfn(FIRST), frames);
		player_delay(player, 20);
	}
	return 0;
}

static int set_up(struct stress *stress)
{
	const struct stamped_config config = {.regions = 2, .small_only = true};
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	for (unsigned int as = 0; as < 2; as++) {
		world->slots[as] = moving_slot_create(stress, &config, as, 0, tdp_gfn(FIRST),
						      tdp_gfn(0x9000), false);
		if (!world->slots[as])
			return -ENOMEM;
	}
	stress_cast_vcpus(stress, visit, world);
	stress_cast(stress, "zapper", zap, world, 1);
	stress_cast(stress, "mover", moving_slot_page_mover, world->slots[0], 1);
	stress_cast(stress, "smm mover", moving_slot_page_mover, world->slots[1], 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_zap_across_roots = {
	.name = "zap_across_roots",
	.what = "a zap of two roots yields between their leaves and the flush",
	.vcpus = 4,
	.set_up = set_up,
};
