/*
 * Pages are aged while the leaves that map them come and go under the shared lock: one
 * vCPU's faults ask for 2M and replace the table that is there by a huge leaf, the
 * others' ask for 4K and split or zap it again. Ageing without mmu_lock clears A in
 * whatever an entry has become since it was looked at: a table's entry, a hole, one
 * that was frozen (lib/mmu/age.h). None of them may become something else by that.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

/* Of the half that asks for 4K, and one of the other (stamped.h, halves). */
#define SMALL_FIRST 1
#define SMALL_PAGES 16
#define HUGE_PAGE   300

static int run_guest(struct player *player)
{
	const struct moving_slot *slot = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		uint64_t page = HUGE_PAGE;

		if (player->number > 0)
			page = SMALL_FIRST + player_below(player, SMALL_PAGES);
		err = player_fault(player, tdp_gfn(slot->gfn[0].n + page));
	}
	return err;
}

/* The pages that are mapped small, or large. */
static int age_page(struct player *player)
{
	const struct moving_slot *slot = player->arg;
	uint64_t hva = slot->memory->backing.hva;

	while (player_goes_on(player))
		tdp_host_age(player->stress->host, hva + (SMALL_FIRST << TDP_PAGE_SHIFT),
			     hva + ((SMALL_FIRST + SMALL_PAGES) << TDP_PAGE_SHIFT));
	return 0;
}

static int set_up(struct stress *stress)
{
	struct moving_slot *slot =
		moving_slot_create(stress, &(struct stamped_config){.regions = 1, .halves = true},
				   0, 0, tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!slot)
		return -ENOMEM;
	stress_cast_vcpus(stress, run_guest, slot);
	return stress_cast(stress, "ager", age_page, slot, 1); /* checked at the end */
}

const struct scenario scenario_age_vs_table = {
	.name = "age_vs_table",
	.what = "ageing against splits, and against tables replaced by huge leaves",
	.vcpus = 3,
	.set_up = set_up,
};
