/*
 * The host answers each fault with 4K or 2M: huge leaves replace tables while other vCPUs
 * map into those tables (C3 of lib/mmu/change.h, the flush of lib/mmu/map.c), and huge
 * leaves are split again. Nothing here removes rights, so an access never finds an entry
 * that refuses it.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

static int zap(struct player *player)
{
	struct moving_slot *slot = player->arg;

	while (player_goes_on(player)) {
		unsigned int page = (unsigned int)player_below(player, stamped_pages(slot->memory));

		tdp_mmu_zap_range(player->stress->vm,
				  tdp_gfn(slot->gfn[0].n + stamped_offset(page)), 1);
		player_delay(player, 2);
	}
	return 0;
}

static int set_up(struct stress *stress)
{
	struct moving_slot *slot = moving_slot_create(
		stress, &(struct stamped_config){.regions = 2, .mixed_only = true}, 0, 0,
		tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!slot)
		return -ENOMEM;
	stress_cast_vcpus(stress, moving_slot_visitor, slot);
	stress_cast(stress, "zapper", zap, slot, 2);
	stress_cast(stress, "region mover", moving_slot_region_mover, slot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_table_vs_huge = {
	.name = "table_vs_huge",
	.what = "huge leaves replace tables that others map into",
	.vcpus = 4,
	.table_bytes = 16 << 20,
	.set_up = set_up,
};
