/*
 * Lockless walks while tables come and go; walk_check.h says what is checked. With the
 * check on, a freed table is poisoned, so a walk that reaches one sees that.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"
#include "stress/stage/walk_check.h"

#define FIRST 0x1000

static int watch(struct player *player)
{
	struct moving_slot *slot = player->arg;
	uint64_t frames = stamped_frames(slot->memory);
	int err = 0;

	while (!err && player_goes_on(player)) {
		uint64_t first = player_below(player, frames);
		uint64_t pages = 1 + player_below(player, 2 * frames);
		unsigned int level = 1 + (unsigned int)player_below(player, 3);

		err = walk_check(player, 0, tdp_gfn(FIRST + first), pages, level);
		player_delay(player, 2);
	}
	return err;
}

static int zap(struct player *player)
{
	while (player_goes_on(player)) {
		tdp_mmu_zap_all_fast(player->stress->vm);
		player_delay(player, 10);
	}
	return 0;
}

static int set_up(struct stress *stress)
{
	struct moving_slot *slot =
		moving_slot_create(stress, &(struct stamped_config){.regions = 4}, 0, 0,
				   tdp_gfn(FIRST), tdp_gfn(0x9000), false);

	if (!slot)
		return -ENOMEM;
	stress_cast_vcpus(stress, moving_slot_visitor, slot);
	stress_cast(stress, "witness", watch, slot, 2);
	stress_cast(stress, "zapper", zap, slot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_iter_vs_zap = {
	.name = "iter_vs_zap",
	.what = "lockless walks against faults and zaps",
	.vcpus = 3,
	.table_bytes = 16 << 20,
	.set_up = set_up,
};
