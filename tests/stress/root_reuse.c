/*
 * Roots are invalidated one after the other by few vCPUs, with few table frames,
 * so that a root soon lies in a frame in which another root lay before. What a TLB
 * kept of the earlier one must have gone when the new one was loaded (load_root()
 * in lib/mmu/context.c): zapping an invalid root owes no flush (R4 of root.h), and
 * the page that moved meanwhile was mapped nowhere.
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
	return 0; /* no checker: it would slow down the going round */
}

const struct scenario scenario_root_reuse = {
	.name = "root_reuse",
	.what = "roots come round again in the same frames",
	.vcpus = 2,
	.table_bytes = 8 << 20,
	.set_up = set_up,
};
