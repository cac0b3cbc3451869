/*
 * The host moves pages and whole 2M blocks while vCPUs fault them in: N1 and N2 of
 * lib/mmu/invalidate.h. S1 to S3 of stamped.h are checked.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

static int set_up(struct stress *stress)
{
	struct moving_slot *slot =
		moving_slot_create(stress, &(struct stamped_config){.regions = 3}, 0, 0,
				   tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!slot)
		return -ENOMEM;
	stress_cast_vcpus(stress, moving_slot_visitor, slot);
	stress_cast(stress, "page mover", moving_slot_page_mover, slot, 1);
	stress_cast(stress, "region mover", moving_slot_region_mover, slot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_unmap_vs_fault = {
	.name = "unmap_vs_fault",
	.what = "invalidations of pages and of 2M against faults",
	.vcpus = 3,
	.set_up = set_up,
};
