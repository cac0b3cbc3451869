/*
 * The write of one vCPU unmaps a huge leaf while others read through their TLBs. Then the
 * host moves single pages of it before a vCPU has faulted them in again. Nothing maps such
 * a page, so the move does not flush: the zap of the huge leaf must have flushed (policy
 * TDP_HUGE_FAULT_ZAP; entry_zap_atomic() in lib/mmu).
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

/* A write first, then moves of single pages, then a new block. */
static int move(struct player *player)
{
	struct moving_slot *slot = player->arg;
	struct stamped *memory = slot->memory;
	int err = 0;

	while (!err && player_goes_on(player)) {
		unsigned int region = (unsigned int)player_below(player, memory->config.regions);

		for (unsigned int i = 0; i < STAMPED_PAGES && !err; i++) {
			player_delay(player, 3);
			err = stamped_move_page(player, memory, region * STAMPED_PAGES + i);
		}
		player_delay(player, 10);
		if (!err)
			err = stamped_move_region(player, memory, region);
		player_delay(player, 10);
	}
	return err;
}

static int set_up(struct stress *stress)
{
	struct moving_slot *slot = moving_slot_create(
		stress, &(struct stamped_config){.regions = 1, .write_breaks = true}, 0, 0,
		tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!slot)
		return -ENOMEM;
	stress_cast_vcpus(stress, moving_slot_reader, slot);
	stress_cast(stress, "mover", move, slot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_huge_zap_vs_access = {
	.name = "huge_zap_vs_access",
	.what = "a huge leaf is unmapped under readers, its pages move one by one",
	.vcpus = 3,
	.set_up = set_up,
};
