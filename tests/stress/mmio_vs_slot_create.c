/*
 * A slot comes and goes at a gfn that vCPUs access: an MMIO entry that was made from the
 * old slots must not outlive them (M2 of lib/guest/memslot.h), nor may what a vCPU caches
 * of it. Writes to a second, read-only slot are always MMIO.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

struct world {
	struct moving_slot *coming, *read_only;
};

static int poke(struct player *player)
{
	struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		struct moving_slot *slot =
			player_chance(player, 4) ? world->read_only : world->coming;

		err = moving_slot_visit(player, slot, (unsigned int)player_below(player, 3),
					player_chance(player, 4));
	}
	return err;
}

static int come_and_go(struct player *player)
{
	struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		err = moving_slot_delete_and_create(player, world->coming);
		player_delay(player, 3);
	}
	return err;
}

static int set_up(struct stress *stress)
{
	const struct stamped_config config = {.regions = 1, .small_only = true};
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	world->coming =
		moving_slot_create(stress, &config, 0, 0, tdp_gfn(0x1000), tdp_gfn(0x9000), false);
	world->read_only =
		moving_slot_create(stress, &config, 0, 1, tdp_gfn(0x2000), tdp_gfn(0xa000), true);
	if (!world->coming || !world->read_only)
		return -ENOMEM;
	stress_cast_vcpus(stress, poke, world);
	stress_cast(stress, "landlord", come_and_go, world, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_mmio_vs_slot_create = {
	.name = "mmio_vs_slot_create",
	.what = "MMIO entries against slots that come and go",
	.vcpus = 3,
	.set_up = set_up,
};
