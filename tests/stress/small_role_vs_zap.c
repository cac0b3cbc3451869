/*
 * A vCPU enters system-management mode, which has other memory at the same gfn, and leaves
 * it, while all roots are invalidated: it finds, makes and drops roots of two roles during
 * the zap (lib/mmu/root.h).
 */
#include <errno.h>

#include "stress/stage/page_set.h"

struct world {
	struct page_set *sets[2]; /* by address space */
};

static int visit(struct player *player, unsigned int address_space)
{
	const struct world *world = player->arg;
	int err = tdp_vcpu_set_smm(player->vcpu, address_space == 1);

	if (err)
		return player_fail(player, "SMM cannot be entered: %d", err);
	return page_set_read(player, world->sets[address_space], 0);
}

static int go_and_come_back(struct player *player)
{
	int err = visit(player, 1);

	return err ? err : visit(player, 0);
}

static int zap(struct player *player)
{
	tdp_mmu_zap_all_fast(player->stress->vm);
	return 0;
}

static int prepare(struct player *player)
{
	return visit(player, 0);
}

static int settle(struct player *player)
{
	const struct world *world = player->arg;
	int err = page_set_verify(player, world->sets[0]);

	return err ? err : page_set_verify(player, world->sets[1]);
}

static int set_up(struct stress *stress)
{
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	for (unsigned int as = 0; as < 2; as++) {
		world->sets[as] = page_set_create(
			stress, &(struct page_set_config){
					.shape = PAGE_SET_4K, .address_space = as, .gfn = 0x1000});
		if (!world->sets[as])
			return -ENOMEM;
	}
	stress_cast_vcpu(stress, "vcpu", go_and_come_back, world);
	return stress_cast(stress, "zapper", zap, world, 1);
}

const struct scenario scenario_small_role_vs_zap = {
	.name = "small_role_vs_zap",
	.what = "a vCPU enters and leaves SMM while roots are invalidated",
	.vcpus = 1,
	.steps = 8000,
	.maxphyaddr = 36,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = settle,
};
