/*
 * 63 vCPUs access memory that stays mapped, so nearly every access hits a TLB. One vCPU faults a
 * page of its own and zaps it, and so flushes all the time. With fewer CPUs than vCPUs most vCPUs
 * are preempted, some of them inside guest mode, and the others use up their time slices: H1 and H2
 * of lib/platform/handover.h. D1 of anon_slot.h is checked.
 */
#include <errno.h>

#include "stress/stage/anon_slot.h"

#define MAPPED 0x1000
#define ZAPPED 0x8000

#define FLUSHES_LEAST 5 /* an idle machine makes thousands in a third of a second */

struct world {
	struct anon_slot *mapped, *zapped;
};

static int use(struct player *player)
{
	struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player))
		err = anon_slot_visit(player, world->mapped);
	return err;
}

static int flush(struct player *player)
{
	int err = 0;

	while (!err && player_goes_on(player)) {
		err = player_fault(player, tdp_gfn(ZAPPED));
		tdp_mmu_zap_range(player->stress->vm, tdp_gfn(ZAPPED), 1);
	}
	return err;
}

static int judge(struct stress *stress)
{
	struct tdp_stats stats;

	tdp_vm_stats(stress->vm, &stats);
	for (unsigned int i = 0; i < stress->player_count; i++)
		if (!stress->players[i].rounds)
			return player_fail(&stress->players[i], "made no round");
	return stats.remote_tlb_flush_requests >= FLUSHES_LEAST ? 0 : -ENODATA;
}

static int set_up(struct stress *stress)
{
	struct world *world = stress_allocate(stress, sizeof(*world));
	int err;

	if (!world)
		return -ENOMEM;
	world->mapped = anon_slot_create(stress, 0, tdp_gfn(MAPPED), TDP_4K, 1);
	world->zapped = anon_slot_create(stress, 1, tdp_gfn(ZAPPED), TDP_4K, 1);
	if (!world->mapped || !world->zapped)
		return -ENOMEM;
	err = stress_cast_vcpu(stress, "flusher", flush, world);
	for (unsigned int i = 1; !err && i < stress->vcpu_count; i++)
		err = stress_cast_vcpu(stress, "user", use, world);
	return err;
}

const struct scenario scenario_many_vcpus_flush = {
	.name = "many_vcpus_flush",
	.what = "a vCPU that flushes all the time among 63 that hit their TLBs",
	.vcpus = STRESS_VCPUS_MAX,
	.set_up = set_up,
	.verify_end = judge,
};
