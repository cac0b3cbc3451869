/*
 * vCPUs enter and leave system-management mode and change registers, so they drop and load
 * roots, while roots are invalidated and pages move. Each address space has its own memory
 * at the same gfn: an access under the wrong root sees the stamp of another page.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

#define CR0_PE	(1ULL << 0)
#define CR0_WP	(1ULL << 16)
#define CR4_PSE (1ULL << 4)

struct world {
	struct moving_slot *slots[2];
};

/* With paging off, addresses stay physical whatever the other bits are. */
static int change_registers(struct player *player)
{
	struct tdp_registers registers;
	int err;

	tdp_vcpu_registers(player->vcpu, &registers);
	if (player_chance(player, 2))
		registers.cr4 ^= CR4_PSE;
	else
		registers.cr0 = (registers.cr0 ^ CR0_WP) | CR0_PE;
	err = tdp_vcpu_set_registers(player->vcpu, &registers,
				     player_chance(player, 2) ? TDP_CHANGE_SREGS
							      : TDP_CHANGE_GUEST);
	return err ? player_fail(player, "registers cannot be changed: %d", err) : 0;
}

static int change_role(struct player *player, bool *smm)
{
	int err;

	if (player_chance(player, 3))
		return change_registers(player);
	*smm = !*smm;
	err = tdp_vcpu_set_smm(player->vcpu, *smm);
	return err ? player_fail(player, "SMM cannot be entered: %d", err) : 0;
}

static int change_and_visit(struct player *player)
{
	struct world *world = player->arg;
	bool smm = false;
	int err = 0;

	while (!err && player_goes_on(player)) {
		struct moving_slot *slot = world->slots[smm];

		err = moving_slot_visit(
			player, slot,
			(unsigned int)player_below(player, stamped_pages(slot->memory)),
			player_chance(player, 3));
		if (!err && player_chance(player, 4))
			err = change_role(player, &smm);
	}
	return err;
}

static int invalidate(struct player *player)
{
	while (player_goes_on(player)) {
		tdp_mmu_zap_all_fast(player->stress->vm);
		player_delay(player, 10);
	}
	return 0;
}

static int set_up(struct stress *stress)
{
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	for (unsigned int as = 0; as < 2; as++) {
		world->slots[as] =
			moving_slot_create(stress, &(struct stamped_config){.regions = 1}, as, 0,
					   tdp_gfn(0x1000), tdp_gfn(0x9000), false);
		if (!world->slots[as])
			return -ENOMEM;
	}
	stress_cast_vcpus(stress, change_and_visit, world);
	stress_cast(stress, "invalidator", invalidate, world, 1);
	stress_cast(stress, "mover", moving_slot_page_mover, world->slots[0], 1);
	stress_cast(stress, "smm mover", moving_slot_region_mover, world->slots[1], 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_roots_vs_roles = {
	.name = "roots_vs_roles",
	.what = "vCPUs change roles while roots are invalidated",
	.vcpus = 3,
	.table_bytes = 16 << 20,
	.set_up = set_up,
};
