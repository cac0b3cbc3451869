/*
 * One invalidation, in a VM that has had 2^31 of them, while a vCPU faults in its range:
 * the fault succeeds once the invalidation has ended, and retries under mmu_lock at most
 * twice (policy early_invalidation_check).
 */
#include <errno.h>

#include "stress/stage/page_set.h"
#include "vm/vm.h"

#define SEEN_BEFORE ((1ULL << 31) - 1)

struct world {
	struct page_set *set;
	atomic_u32 done; /* the page has been read; release */
};

static const struct counters *counters(const struct player *player)
{
	return &player->vcpu->context.counters;
}

static int read_page(struct player *player)
{
	struct world *world = player->arg;
	uint64_t before = counter_read(&counters(player)->retries_locked), locked;
	int err = page_set_read(player, world->set, 0);

	u32_store_release(&world->done, 1);
	locked = counter_read(&counters(player)->retries_locked) - before;
	if (!err && player->stress->policy.early_invalidation_check == TDP_ON && locked > 2)
		return player_fail(player, "took mmu_lock %llu times only to retry",
				   (unsigned long long)locked);
	return err;
}

/* Stays open until the reader has retried a few times, or has read the page. */
static int invalidate(struct player *player)
{
	struct world *world = player->arg;
	const struct counters *of_reader = counters(page_set_player(player, 0));
	uint64_t start = world->set->backing.hva, past = start + world->set->backing.bytes;
	uint64_t before = counter_read(&of_reader->retries);
	unsigned int rounds = 0;

	tdp_host_invalidate_begin(player->stress->host, start, past);
	while (!u32_load_acquire(&world->done) && counter_read(&of_reader->retries) - before < 4)
		tdp_pause(&rounds);
	tdp_host_invalidate_end(player->stress->host, start, past);
	return 0;
}

static int prepare(struct player *player)
{
	struct world *world = player->arg;
	int err = page_set_read(player, world->set, 1);

	page_set_unmap(world->set);
	u32_store_release(&world->done, 0);
	u64_store_relaxed(&player->stress->vm->mmu.watched.invalidation.seq,
			  SEEN_BEFORE); /* no player acts */
	return err;
}

static int settle(struct player *player)
{
	const struct world *world = player->arg;

	return page_set_verify(player, world->set);
}

static int set_up(struct stress *stress)
{
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	world->set = page_set_create(
		stress, &(struct page_set_config){.shape = PAGE_SET_4K, .gfn = 0x1000});
	if (!world->set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_page, world);
	return stress_cast(stress, "invalidator", invalidate, world, 1);
}

const struct scenario scenario_small_long_invalidation = {
	.name = "small_long_invalidation",
	.what = "a fault waits for an invalidation without mmu_lock",
	.vcpus = 1,
	.steps = 400,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = settle,
};
