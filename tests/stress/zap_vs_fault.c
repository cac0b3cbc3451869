/*
 * Ranges of all sizes are zapped for other reasons than an unmap by the host, while the
 * host moves pages: a fault maps again what a zap removed, and no TLB keeps it.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

#define FIRST 0x1000

static int zap(struct player *player)
{
	struct moving_slot *slot = player->arg;
	uint64_t frames = stamped_frames(slot->memory);

	while (player_goes_on(player)) {
		uint64_t first = player_below(player, frames);
		uint64_t pages = player_chance(player, 2) ? 1 : 1 + player_below(player, frames);

		tdp_mmu_zap_range(player->stress->vm, tdp_gfn(FIRST + first), pages);
		player_delay(player, 5);
	}
	return 0;
}

static int set_up(struct stress *stress)
{
	struct moving_slot *slot =
		moving_slot_create(stress, &(struct stamped_config){.regions = 3}, 0, 0,
				   tdp_gfn(FIRST), tdp_gfn(0x9000), false);

	if (!slot)
		return -ENOMEM;
	stress_cast_vcpus(stress, moving_slot_visitor, slot);
	stress_cast(stress, "zapper", zap, slot, 1);
	stress_cast(stress, "region mover", moving_slot_region_mover, slot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_zap_vs_fault = {
	.name = "zap_vs_fault",
	.what = "tdp_mmu_zap_range() against faults",
	.vcpus = 3,
	.set_up = set_up,
};
