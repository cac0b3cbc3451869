/*
 * Pages are aged while the leaves that map them come and go under the shared lock. The
 * faults of one vCPU ask for 2M and replace the table by a huge leaf; those of the other
 * vCPUs ask for 4K and split or zap it again. Ageing without mmu_lock clears A in whatever
 * the entry has become since it was read: an entry of a table, an empty entry, a frozen
 * one (lib/mmu/age.h). None of them may change its meaning by that.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

/* Pages of the half that asks for 4K, and one of the other half (stamped.h, halves). */
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

/* The pages that are mapped by 4K, or by 2M. */
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
