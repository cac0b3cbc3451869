/*
 * Pages are aged while they are logged. Logging takes W or D away, and the hardware or
 * a fast page fault gives it back without mmu_lock, so whoever ages under the
 * exclusive lock must not write back what he read a moment ago: the right would be
 * gone from the entry, and the TLB would still have it (Linux ba3a6120a4e7, 5.18).
 */
#include <errno.h>

#include <tdpsim/dirty.h>

#include "support/plot.h"

#define REGIONS 1
#define WORDS	(REGIONS * 512 / 64)

static int set_log(const struct plot *plot, bool on)
{
	return tdp_vm_set_memslot(plot->terrain->stress->vm,
				  &(struct tdp_memslot){
					  .id = plot->id,
					  .gfn = plot->gfn[0],
					  .pages = terrain_frames(plot->terrain),
					  .backing = &plot->terrain->backing,
					  .log_dirty = on,
				  });
}

static int read_log(const struct plot *plot)
{
	uint64_t bitmap[WORDS];

	return tdp_vm_get_dirty_log(plot->terrain->stress->vm, 0, plot->id, bitmap, WORDS);
}

/* Reads the log, and now and then begins it anew. */
static int keep_log(struct player *player)
{
	const struct plot *plot = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		if (player_chance(player, 20)) {
			err = set_log(plot, false);
			player_dawdle(player, 4);
			if (!err)
				err = set_log(plot, true);
		} else {
			err = read_log(plot);
		}
		player_dawdle(player, 4);
	}
	return err ? player_fail(player, "the log failed: %d", err) : 0;
}

static int set_up(struct stress *stress)
{
	struct plot *plot = plot_create(stress, &(struct terrain_config){.regions = REGIONS}, 0, 0,
					tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!plot || set_log(plot, true))
		return -ENOMEM;
	stress_cast_vcpus(stress, plot_visitor, plot);
	stress_cast(stress, "ager", plot_ager, plot, 1);
	stress_cast(stress, "logger", keep_log, plot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_age_vs_log = {
	.name = "age_vs_log",
	.what = "ageing against dirty logging",
	.vcpus = 2,
	.set_up = set_up,
};
