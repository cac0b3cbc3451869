/* Creating and destroying the MMU of a VM. See mmu.h. */
#include "mmu/mmu.h"

#include "platform/check.h"

static enum rwlock_kind lock_kind(enum tdp_lock_policy policy)
{
	switch (policy) {
	case TDP_LOCK_EXCLUSIVE:
		return RWLOCK_EXCLUSIVE;
	case TDP_LOCK_PERCPU:
		return RWLOCK_PERCPU;
	default:
		return RWLOCK_SHARED;
	}
}

/*
 * An MMIO value in the address field faults only as long as the host's addresses are narrower
 * (kvm_mmu_reset_all_pte_masks(), 6.12).
 */
static bool mmio_can_fault(const struct format *format, unsigned int maxphyaddr)
{
	return !(format->mmio_value & ENTRY_ADDRESS & ((1ULL << maxphyaddr) - 1));
}

static void init_encoding(struct mmu *mmu, const struct mmu_config *config)
{
	const struct tdp_vm_config *vm = config->vm;
	const struct tdp_policy *policy = &config->policy;
	const struct format *format = vm->format == TDP_EPT ? &format_ept : &format_npt;
	unsigned int width = config->host->config.maxphyaddr;

	encoding_init(&mmu->encoding,
		      &(struct encoding_config){
			      .format = format,
			      .layout = layout_of(policy->layout, format->id),
			      .gmet = vm->gmet,
			      .hardware_ad = !vm->no_ad,
			      .execute_only = vm->format == TDP_EPT && !vm->no_execute_only,
			      .suppress_ve = policy->suppress_ve == TDP_ON,
			      .software_ad = policy->software_ad == TDP_ON,
			      .dirty_at_birth = policy->dirty_at_birth == TDP_ON,
			      .lockless_age = policy->lockless_age == TDP_ON,
			      .cpu_logs_writes = policy->dirty_track == TDP_DIRTY_TRACK_DBIT,
			      .mmio_caching = !vm->no_mmio_caching && mmio_can_fault(format, width),
			      .l1tf_width = vm->l1tf ? width : 0,
		      });
}

static int init_memory(struct mmu *mmu)
{
	bool track = mmu->check && !mmu->encoding.hardware_ad;
	int err = mmu->check ? history_init(&mmu->checks.history, mmu->host) : 0;

	if (err)
		return err;
	err = track ? tracked_init(&mmu->checks.tracked, mmu->host) : 0;
	if (err)
		goto fini_history;
	err = mmu_tasks_init(mmu);
	if (err)
		goto fini_tracked;
	return 0;

fini_tracked:
	tracked_fini(&mmu->checks.tracked, mmu->host);
fini_history:
	history_fini(&mmu->checks.history, mmu->host);
	return err;
}

int mmu_init(struct mmu *mmu, const struct mmu_config *config)
{
	const struct tdp_vm_config *vm = config->vm;

	mmu->host = config->host;
	mmu->memory = config->memory;
	mmu->policy = config->policy;
	mmu->limits.levels = vm->levels;
	mmu->limits.max_level = vm->max_level;
	mmu->limits.gfns = 1ULL << (config->host->config.maxphyaddr - TDP_PAGE_SHIFT);
	mmu->tracer = (struct tracer){vm->trace, vm->trace_context};
	mmu->check = vm->check;
	mmu->logging.manual_protect = vm->manual_protect;
	mmu->logging.ring = vm->dirty_ring;
	mmu->logging.ring_reserved = config->dirty_ring_reserved;
	mmu->watched.nx_active = config->policy.nx_huge_pages == TDP_ON && !vm->no_nx_huge_pages;
	init_encoding(mmu, config);
	if (config->task_events)
		trace_ring_init(&mmu->task_ring.ring, 0, config->task_events, vm->trace_ring);
	spinlock_init(&mmu->task_ring.lock);
	rwlock_init(&mmu->lock, lock_kind(config->policy.lock));
	mmu->lock.handover = &mmu->host->handover;
	spinlock_init(&mmu->pages.lock);
	TAILQ_INIT(&mmu->pages.nx.tables);
	spinlock_init(&mmu->tasks.lock);
	spinlock_init(&mmu->checks.notes.lock);
	mmu->gauges.percpu = config->policy.stats == TDP_STATS_PERCPU;
	return init_memory(mmu);
}

void mmu_fini(struct mmu *mmu)
{
	CHECK(!ptr_load_relaxed(&mmu->pages.roots));
	CHECK(TAILQ_EMPTY(&mmu->pages.nx.tables));
	mmu_tasks_fini(mmu);
	tracked_fini(&mmu->checks.tracked, mmu->host);
	history_fini(&mmu->checks.history, mmu->host);
	rwlock_fini(&mmu->lock);
}
