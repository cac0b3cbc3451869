/*
 * The host discards anonymous memory of each page size while vCPUs use it, so that frames
 * pass from page to page. D1 of anon_slot.h is checked.
 */
#include <errno.h>

#include "stress/stage/anon_slot.h"

#define FIELDS 3

struct world {
	struct anon_slot *slots[FIELDS];
};

static int use(struct player *player)
{
	struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player))
		err = anon_slot_visit(player, world->slots[player_below(player, FIELDS)]);
	return err;
}

static int discard(struct player *player)
{
	struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		err = anon_slot_discard(player, world->slots[player_below(player, FIELDS)]);
		player_delay(player, 5);
	}
	return err;
}

static int set_up(struct stress *stress)
{
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	world->slots[0] = anon_slot_create(stress, 0, tdp_gfn(0x1000), TDP_4K, 8);
	world->slots[1] = anon_slot_create(stress, 1, tdp_gfn(0x8000), TDP_2M, 4);
	world->slots[2] = anon_slot_create(stress, 2, tdp_gfn(1 << 18), TDP_1G, 2);
	for (unsigned int i = 0; i < FIELDS; i++)
		if (!world->slots[i])
			return -ENOMEM;
	stress_cast_vcpus(stress, use, world);
	stress_cast(stress, "discarder", discard, world, 2);
	return stress_cast_checker(stress);
}

const struct scenario scenario_discard_vs_fault = {
	.name = "discard_vs_fault",
	.what = "MADV_DONTNEED on 4K, 2M and 1G memory against faults",
	.vcpus = 3,
	.set_up = set_up,
};
