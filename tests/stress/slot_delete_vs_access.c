/*
 * A slot is deleted, created and moved under vCPUs that use it. After a deletion
 * nobody reaches its memory any more: plot.h's L1 and L2.
 */
#include <errno.h>

#include "support/plot.h"

static int set_up(struct stress *stress)
{
	struct plot *plot = plot_create(stress, &(struct terrain_config){.regions = 2}, 0, 0,
					tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!plot)
		return -ENOMEM;
	stress_cast_vcpus(stress, plot_visitor, plot);
	stress_cast(stress, "landlord", plot_landlord, plot, 1);
	stress_cast(stress, "page mover", plot_page_mover, plot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_slot_delete_vs_access = {
	.name = "slot_delete_vs_access",
	.what = "a slot is deleted, created and moved under its users",
	.vcpus = 3,
	.set_up = set_up,
};
