/*
 * Pages are aged while they are logged. Logging removes W or D, and the CPU or a fast page
 * fault sets it again without mmu_lock. So ageing under the exclusive lock must not write
 * back an entry that it read earlier: the entry would lose the right while the TLB still
 * has it (Linux ba3a6120a4e7, 5.18).
 */
#include <errno.h>

#include <tdpsim/dirty.h>

#include "stress/stage/moving_slot.h"

#define REGIONS 1
#define WORDS	(REGIONS * 512 / 64)

static int set_log(const struct moving_slot *slot, bool on)
{
	return tdp_vm_set_memslot(slot->memory->stress->vm,
				  &(struct tdp_memslot){
					  .id = slot->id,
					  .gfn = slot->gfn[0],
					  .pages = stamped_frames(slot->memory),
					  .backing = &slot->memory->backing,
					  .log_dirty = on,
				  });
}

static int read_log(const struct moving_slot *slot)
{
	uint64_t bitmap[WORDS];

	return tdp_vm_get_dirty_log(slot->memory->stress->vm, 0, slot->id, bitmap, WORDS);
}

/* Reads the log, and sometimes ends and begins logging. */
static int keep_log(struct player *player)
{
	const struct moving_slot *slot = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		if (player_chance(player, 20)) {
			err = set_log(slot, false);
			player_delay(player, 4);
			if (!err)
				err = set_log(slot, true);
		} else {
			err = read_log(slot);
		}
		player_delay(player, 4);
	}
	return err ? player_fail(player, "the log failed: %d", err) : 0;
}

static int set_up(struct stress *stress)
{
	struct moving_slot *slot =
		moving_slot_create(stress, &(struct stamped_config){.regions = REGIONS}, 0, 0,
				   tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!slot || set_log(slot, true))
		return -ENOMEM;
	stress_cast_vcpus(stress, moving_slot_visitor, slot);
	stress_cast(stress, "ager", moving_slot_ager, slot, 1);
	stress_cast(stress, "logger", keep_log, slot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_age_vs_log = {
	.name = "age_vs_log",
	.what = "ageing against dirty logging",
	.vcpus = 2,
	.set_up = set_up,
};
