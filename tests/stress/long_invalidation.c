/*
 * Invalidations that stay open for long while vCPUs fault in their range, in a VM that has
 * had almost 2^31 of them. A fault that meets an open invalidation returns before it takes
 * mmu_lock (policy early_invalidation_check). It retries under the lock only if an
 * invalidation has begun or ended since it looked: at most twice for each. More retries
 * would mean that vCPUs keep the invalidating thread from the lock.
 */
#include <errno.h>
#include <stdio.h>

#include "stress/stage/moving_slot.h"
#include "vm/vm.h"

#define SEEN_BEFORE ((1ULL << 31) - 1)

static int invalidate(struct player *player)
{
	const struct moving_slot *slot = player->arg;
	uint64_t start = slot->memory->backing.hva;
	uint64_t past = start + (stamped_frames(slot->memory) << TDP_PAGE_SHIFT);

	while (player_goes_on(player)) {
		tdp_host_invalidate_begin(player->stress->host, start, past);
		player_delay(player, 100);
		tdp_host_invalidate_end(player->stress->host, start, past);
		player_delay(player, 20);
	}
	return 0;
}

static int judge(struct stress *stress)
{
	struct mmu *mmu = &stress->vm->mmu;
	uint64_t bound = 2 * (u64_load_relaxed(&mmu->watched.invalidation.seq) - SEEN_BEFORE);

	if (stress->policy.early_invalidation_check != TDP_ON)
		return 0;
	for (unsigned int i = 0; i < stress->vcpu_count; i++) {
		uint64_t retries = counter_read(&stress->vcpus[i]->context.counters.retries_locked);

		if (retries <= bound)
			continue;
		fprintf(stderr,
			"%s: vCPU %u took mmu_lock %llu times only to retry; %llu would do\n",
			stress->scenario->name, i, (unsigned long long)retries,
			(unsigned long long)bound);
		return -EPROTO;
	}
	return 0;
}

static int set_up(struct stress *stress)
{
	struct moving_slot *slot =
		moving_slot_create(stress, &(struct stamped_config){.regions = 1}, 0, 0,
				   tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!slot)
		return -ENOMEM;
	u64_store_relaxed(&stress->vm->mmu.watched.invalidation.seq,
			  SEEN_BEFORE); /* no vCPU runs yet */
	stress_cast_vcpus(stress, moving_slot_visitor, slot);
	return stress_cast(stress, "invalidator", invalidate, slot, 1);
}

const struct scenario scenario_long_invalidation = {
	.name = "long_invalidation",
	.what = "invalidations stay open; retries stay away from mmu_lock",
	.vcpus = 3,
	.set_up = set_up,
	.verify_end = judge,
};
