/*
 * A slot is deleted, created and moved while vCPUs use it. After a deletion nothing
 * accesses its memory: L1 and L2 of moving_slot.h.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

static int set_up(struct stress *stress)
{
	struct moving_slot *slot =
		moving_slot_create(stress, &(struct stamped_config){.regions = 2}, 0, 0,
				   tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!slot)
		return -ENOMEM;
	stress_cast_vcpus(stress, moving_slot_visitor, slot);
	stress_cast(stress, "landlord", moving_slot_changer, slot, 1);
	stress_cast(stress, "page mover", moving_slot_page_mover, slot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_slot_delete_vs_access = {
	.name = "slot_delete_vs_access",
	.what = "a slot is deleted, created and moved under its users",
	.vcpus = 3,
	.set_up = set_up,
};
