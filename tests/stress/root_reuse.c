/*
 * Few vCPUs invalidate roots one after the other, with few table frames, so that a new
 * root is soon in the frame of an earlier one. The TLB entries of the earlier root must be
 * gone when the new one is loaded (load_root() in lib/mmu/enter.c): the zap of an
 * invalid root owes no flush (R4 of root.h), and nothing maps the page that moves
 * meanwhile.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

static int invalidate_and_move(struct player *player)
{
	struct moving_slot *slot = player->arg;
	struct stamped *memory = slot->memory;
	int err = 0;

	while (!err && player_goes_on(player)) {
		tdp_mmu_zap_all_fast(player->stress->vm);
		err = stamped_move_page(player, memory,
					(unsigned int)player_below(player, stamped_pages(memory)));
		if (player_chance(player, 50) && !err)
			err = stamped_move_region(player, memory, 0);
		player_delay(player, 2);
	}
	return err;
}

static int set_up(struct stress *stress)
{
	struct moving_slot *slot = moving_slot_create(
		stress, &(struct stamped_config){.regions = 1, .small_only = true}, 0, 0,
		tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!slot)
		return -ENOMEM;
	stress_cast_vcpus(stress, moving_slot_visitor, slot);
	stress_cast(stress, "invalidator", invalidate_and_move, slot, 1);
	return 0; /* no checker, which would slow the reuse of frames */
}

const struct scenario scenario_root_reuse = {
	.name = "root_reuse",
	.what = "new roots reuse the frames of old ones",
	.vcpus = 2,
	.table_bytes = 8 << 20,
	.set_up = set_up,
};
