/*
 * One vCPU executes and another one reads in the same memory, which 1G leaves map, while
 * NX recovery zaps the tables that the fetches have made (lib/mmu/nx.h). A table that a
 * fetch has just linked may be removed with its parent before it is put on the list (X2).
 * A read that finds it must not replace it by a huge leaf (X1). Neither TLB may keep what
 * a round of recovery has zapped.
 */
#include <errno.h>

#include "stress/stage/stress.h"

#define GFN	0x40000ULL
#define REGIONS 3 /* of 2M, in use */

struct world {
	atomic_u64 taken; /* tables zapped by recovery; relaxed, read at the end */
};

static int access_somewhere(struct player *player, enum tdp_access access)
{
	uint64_t gfn = GFN + player_below(player, REGIONS) * 512 + player_below(player, 2) * 300;
	struct tdp_access_result result;
	int err = player_access(player, gfn << TDP_PAGE_SHIFT, access, NULL, 0, &result);

	if (err || result.outcome == TDP_ACCESS_DONE)
		return err;
	return player_fail(player, "gfn 0x%llx: outcome %d", (unsigned long long)gfn,
			   (int)result.outcome);
}

/* Even vCPUs mostly execute, odd ones mostly read. */
static int visit(struct player *player)
{
	bool executes = tdp_vcpu_id(player->vcpu) % 2 == 0;
	int err = 0;

	while (!err && player_goes_on(player))
		err = access_somewhere(player,
				       player_chance(player, 4) != executes ? TDP_FETCH : TDP_READ);
	return err;
}

static int recover(struct player *player)
{
	struct world *world = player->arg;

	while (player_goes_on(player)) {
		u64_add_relaxed(&world->taken, tdp_vm_recover_nx_huge_pages(player->stress->vm));
		player_delay(player, 4);
	}
	return 0;
}

static int judge(struct stress *stress)
{
	const struct world *world = stress->world;

	return u64_load_relaxed(&world->taken) ? 0 : -ENODATA;
}

static int set_up(struct stress *stress)
{
	struct tdp_anon *anon = stress_anon(stress, tdp_level_bytes(TDP_1G), TDP_1G);
	struct world *world = stress->world = stress_allocate(stress, sizeof(*world));
	int err;

	if (!anon || !world)
		return -ENOMEM;
	err = stress_slot(stress, 0, 0, tdp_gfn(GFN), tdp_level_pages(TDP_1G),
			  tdp_anon_backing(anon), false);
	if (err)
		return err;
	err = stress_cast_vcpus(stress, visit, world);
	return err ? err : stress_cast(stress, "recovery", recover, world, 1);
}

const struct scenario scenario_nx_recovery_vs_fetch = {
	.name = "nx_recovery_vs_fetch",
	.what = "huge pages are recovered while vCPUs execute and read in them",
	.vcpus = 2,
	.nx_ratio = 1,
	.set_up = set_up,
	.verify_end = judge,
};
