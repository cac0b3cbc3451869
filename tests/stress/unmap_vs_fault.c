/*
 * The host moves pages and whole 2M blocks while vCPUs fault them in: N1 and N2 of
 * lib/mmu/invalidate.h. Terrain's S1 to S3 are the oracle.
 */
#include <errno.h>

#include "support/plot.h"

static int set_up(struct stress *stress)
{
	struct plot *plot = plot_create(stress, &(struct terrain_config){.regions = 3}, 0, 0,
					tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!plot)
		return -ENOMEM;
	stress_cast_vcpus(stress, plot_visitor, plot);
	stress_cast(stress, "page mover", plot_page_mover, plot, 1);
	stress_cast(stress, "region mover", plot_region_mover, plot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_unmap_vs_fault = {
	.name = "unmap_vs_fault",
	.what = "invalidations of pages and of 2M against faults",
	.vcpus = 3,
	.set_up = set_up,
};
