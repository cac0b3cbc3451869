/*
 * Everything at once: 16 players fault in memory of each size, anonymous and scripted,
 * read-only and absent, while the host discards pages, slots come and go, ranges and roots
 * are zapped, tables are walked without a lock, and the checker runs. Each memory has its
 * own check (moving_slot.h, anon_slot.h, walk_check.h).
 */
#include <errno.h>

#include "stress/stage/anon_slot.h"
#include "stress/stage/moving_slot.h"
#include "stress/stage/walk_check.h"

#define FIELDS 3
#define HOLE   0x700000 /* a gfn that is never in a slot */

struct world {
	struct moving_slot *steady, *moving, *read_only, *flicker, *smm;
	struct anon_slot *slots[FIELDS];
};

static int meet_a_hole(struct player *player)
{
	struct tdp_access_result result;
	uint64_t gpa = (HOLE + player_below(player, 4)) << TDP_PAGE_SHIFT;
	int err = player_access(player, gpa, TDP_READ, NULL, 0, &result);

	if (!err && result.outcome != TDP_ACCESS_MMIO)
		return player_fail(player, "outcome %d in a hole", (int)result.outcome);
	return err;
}

static int visit_one(struct player *player, struct moving_slot *slot)
{
	unsigned int page = (unsigned int)player_below(player, stamped_pages(slot->memory));

	return moving_slot_visit(player, slot, page, player_chance(player, 2));
}

static int visit_smm(struct player *player, const struct world *world)
{
	int err = tdp_vcpu_set_smm(player->vcpu, true);

	for (unsigned int i = 0; i < 4 && !err; i++)
		err = visit_one(player, world->smm);
	return err ? err : tdp_vcpu_set_smm(player->vcpu, false);
}

static int visit(struct player *player)
{
	const struct world *world = player->arg;

	switch (player_below(player, 16)) {
	case 0:
		return meet_a_hole(player);
	case 1:
		return visit_smm(player, world);
	case 2:
		return visit_one(player, world->read_only);
	case 3:
	case 4:
	case 5:
		return visit_one(player, world->moving);
	case 6:
	case 7:
		return visit_one(player, world->flicker);
	case 8:
	case 9:
	case 10:
		return visit_one(player, world->steady);
	default:
		return anon_slot_visit(player, world->slots[player_below(player, FIELDS)]);
	}
}

static int run_guest(struct player *player)
{
	int err = 0;

	while (!err && player_goes_on(player))
		err = visit(player);
	return err;
}

static int unmap(struct player *player)
{
	const struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		struct moving_slot *slots[] = {world->steady, world->moving, world->read_only,
					       world->flicker, world->smm};
		struct stamped *memory = slots[player_below(player, 5)]->memory;
		unsigned int page = (unsigned int)player_below(player, stamped_pages(memory));

		if (player_chance(player, 3))
			err = anon_slot_discard(player, world->slots[player_below(player, FIELDS)]);
		else if (player_chance(player, 3))
			err = stamped_move_region(player, memory, page / STAMPED_PAGES);
		else if (player_chance(player, 5))
			stamped_invalidate(player, memory);
		else
			err = stamped_move_page(player, memory, page);
		player_delay(player, 10);
	}
	return err;
}

static int change_slots(struct player *player)
{
	const struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		if (player_chance(player, 3))
			err = moving_slot_delete_and_create(player, world->read_only);
		else if (player_chance(player, 2))
			err = moving_slot_delete_and_create(player, world->moving);
		else
			err = moving_slot_move(player, world->moving);
		player_delay(player, 40);
	}
	return err;
}

static int zap(struct player *player)
{
	while (player_goes_on(player)) {
		uint64_t first = player_below(player, 0x10000);

		if (player_chance(player, 4))
			tdp_mmu_zap_all_fast(player->stress->vm);
		else
			tdp_mmu_zap_range(player->stress->vm, tdp_gfn(first),
					  1 + player_below(player, 0x2000));
		player_delay(player, 20);
	}
	return 0;
}

static int watch(struct player *player)
{
	int err = 0;

	while (!err && player_goes_on(player)) {
		uint64_t first = player_below(player, 0x10000);

		err = walk_check(player, (unsigned int)player_below(player, 2), tdp_gfn(first),
				 1 + player_below(player, 0x80000), 1);
		if (!err)
			tdp_mmu_mapped_level(player->stress->vm, 0, tdp_gfn(first));
		player_delay(player, 10);
	}
	return err;
}

static bool lay_out(struct stress *stress, struct world *world)
{
	const struct stamped_config any = {.regions = 3}, flicker = {1, .mixed_only = true};
	const struct stamped_config breaks = {.regions = 2, .write_breaks = true};

	world->steady =
		moving_slot_create(stress, &breaks, 0, 0, tdp_gfn(0x1000), tdp_gfn(0x2000), false);
	world->moving =
		moving_slot_create(stress, &any, 0, 1, tdp_gfn(0x3000), tdp_gfn(0x4000), false);
	world->read_only =
		moving_slot_create(stress, &any, 0, 2, tdp_gfn(0x5000), tdp_gfn(0x6000), true);
	world->flicker =
		moving_slot_create(stress, &flicker, 0, 3, tdp_gfn(0x7000), tdp_gfn(0x8000), false);
	world->smm =
		moving_slot_create(stress, &any, 1, 0, tdp_gfn(0x1000), tdp_gfn(0x2000), false);
	world->slots[0] = anon_slot_create(stress, 4, tdp_gfn(0x9000), TDP_4K, 8);
	world->slots[1] = anon_slot_create(stress, 5, tdp_gfn(0xa000), TDP_2M, 4);
	world->slots[2] = anon_slot_create(stress, 6, tdp_gfn(1 << 18), TDP_1G, 2);
	return world->steady && world->moving && world->read_only && world->flicker && world->smm &&
	       world->slots[0] && world->slots[1] && world->slots[2];
}

static int set_up(struct stress *stress)
{
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world || !lay_out(stress, world))
		return -ENOMEM;
	stress_cast_vcpus(stress, run_guest, world);
	stress_cast(stress, "unmapper", unmap, world, 2);
	stress_cast(stress, "landlord", change_slots, world, 1);
	stress_cast(stress, "zapper", zap, world, 1);
	stress_cast(stress, "witness", watch, world, 2);
	return stress_cast_checker(stress);
}

const struct scenario scenario_mix = {
	.name = "mix",
	.what = "16 players: everything at once",
	.vcpus = 9,
	.set_up = set_up,
};
