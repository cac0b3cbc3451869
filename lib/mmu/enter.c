/* A vCPU enters the MMU and guest mode. See enter.h. */
#include "mmu/enter.h"

#include "mmu/actor.h"
#include "mmu/cpu_log.h"
#include "mmu/fault.h"
#include "mmu/flush.h"
#include "mmu/gate.h"
#include "mmu/ring.h"
#include "mmu/root.h"
#include "mmu/table_cache.h"
#include "mmu/trace.h"

static void mmio_cache_clear(struct mmu_context *context)
{
	context->mmio.gpa = ~0ULL;
}

/*
 * A mask over the high bits tells table frames from others: the tables are the host's first frames.
 */
static void know_links(struct mmu_context *context)
{
	const struct mmu *mmu = context->actor.mmu;
	uint64_t bytes = tdp_level_bytes(TDP_4K);

	context->links.bits = mmu->encoding.mmu_present;
	if (mmu->check)
		return; /* a mask without bits: none passes */
	while (bytes < mmu->host->config.table_bytes)
		bytes *= 2;
	context->links.mask = mmu->encoding.table_mask | (ENTRY_ADDRESS & ~(bytes - 1));
}

/*
 * An exit is plain if its entry was not present and no MMIO entry. Where every exit entails work
 * beyond the fault itself, no exit is: no code has bits outside of the mask.
 */
static void know_plain_exits(struct mmu_context *context)
{
	const struct mmu *mmu = context->actor.mmu;
	bool npt = mmu->encoding.format->id == TDP_NPT;

	context->plain_exits.fetch = npt ? PFERR_FETCH : EPT_VIOLATION_FETCH;
	context->plain_exits.mask = npt ? PFERR_PRESENT | PFERR_RSVD : EPT_VIOLATION_PRESENT;
	if (context->actor.traced || context->write_log || context->dirty_ring ||
	    !mmu->encoding.hardware_ad) {
		context->plain_exits.mask = 0;
		context->plain_exits.bits = 1;
	}
}

void mmu_context_init(struct mmu_context *context, struct mmu *mmu, unsigned int vcpu,
		      struct tdp_trace_event *events, size_t event_count)
{
	void *first;

	mmu_actor_init(&context->actor, mmu);
	context->actor.vcpu = (int)vcpu;
	context->actor.lock_reader = mmu->lock.kind == RWLOCK_PERCPU ? &context->lock_reader : NULL;
	context->actor.deltas = mmu->gauges.percpu ? &context->deltas : NULL;
	context->actor.ring = &context->ring;
	trace_ring_init(&context->ring, vcpu + 1, events, event_count);
	mmu_actor_listen(&context->actor, &context->ring);
	context->tables.needed = mmu->limits.levels - 1;
	know_links(context);
	know_plain_exits(context);
	rwlock_register(&mmu->lock, &context->lock_reader);
	handover_join(&mmu->host->handover, &context->handover_member, &context->requests,
		      REQUEST_HANDOVER);
	tlb_init(&context->tlb);
	spinlock_init(&context->flush_queue.lock);
	mmio_cache_clear(context);

	first = ptr_load_seq_cst(&mmu->vcpus.youngest);
	do {
		context->next = first;
	} while (!ptr_cas_seq_cst(&mmu->vcpus.youngest, &first, context));
	if (context->next)
		ptr_store_release(&context->next->younger, context);
	else
		ptr_store_release(&mmu->vcpus.oldest, context);
}

void mmu_context_fini(struct mmu_context *context)
{
	mmu_context_unload(context);
	while (context->tables.count)
		table_free_now(&context->actor.caller, table_cache_take(context));
	handover_quit(&context->actor.mmu->host->handover, &context->handover_member);
	rwlock_unregister(&context->actor.mmu->lock, &context->lock_reader);
	mmu_actor_fini(&context->actor);
}

void mmu_context_unload(struct mmu_context *context)
{
	if (context->root.table)
		root_put(&context->actor, context->root.table);
	context->root.table = NULL;
	mmio_cache_clear(context);
}

/* The bits of a leaf of ordinary memory in an empty entry; map.c makes all other leaves. */
static uint64_t leaf_bits(const struct encoding *e, uint32_t role)
{
	uint64_t bits = spte_make_leaf(e, &(struct leaf){.level = TDP_4K,
							 .writable = true,
							 .guest_mode = role & ROLE_GUEST_MODE,
							 .old = e->nonpresent});

	CHECK(spte_leaf(e, bits, TDP_4K) && spte_writability_legal(e, bits));
	return bits;
}

void mmu_context_set_role(struct mmu_context *context, uint32_t role)
{
	const struct mmu *mmu = context->actor.mmu;

	mmu_context_unload(context);
	cpu_log_change_role(context, role);
	context->role.word = role;
	context->role.root_level = role_level(role);
	context->role.reach = tdp_gfn(table_reach(role_level(role)));
	context->role.slots = &mmu->memory->slots[role_address_space(role)];
	context->role.leaf = leaf_bits(&mmu->encoding, role);
}

static void free_obsolete_root(struct mmu_context *context)
{
	if (context->root.table && root_invalid(context->root.table))
		mmu_context_unload(context);
}

static int load_root(struct mmu_context *context)
{
	int err = root_get(context, &context->root.table);

	if (err)
		return err;
	context->root.pfn = table_pfn(context->actor.mmu->host, context->root.table);
	context->root.entries = table_entries(context->actor.mmu->host, context->root.table);
	if (mmu_tracing(&context->actor))
		trace_load_root(&context->actor, context->root.table);
	/* Roots are dropped without a flush, because loading one always makes it. */
	tlb_flush(&context->tlb);
	counter_bump(&context->counters.tlb_flush);
	return 0;
}

/* kvm_dirty_ring_check_request(): the request stays until there is room. */
static bool must_wait_for_ring(struct mmu_context *context, uint32_t requests)
{
	if (!(requests & REQUEST_DIRTY_RING_FULL) || !vcpu_ring_is_full(context))
		return false;
	u32_or_seq_cst(&context->requests, REQUEST_DIRTY_RING_FULL);
	return true;
}

/*
 * Other threads run until they have left the places where an actor waits for them (handover.h). The
 * checker may be that actor, so the vCPU is not at work meanwhile. It takes its other requests
 * afterwards, because the checker expects an obsolete root together with its request.
 */
static void hand_over(struct mmu_context *context)
{
	u32_and_acq_rel(&context->requests, ~(uint32_t)REQUEST_HANDOVER);
	gate_leave(&context->actor);
	handover_give(&context->actor.mmu->host->handover);
	gate_enter(&context->actor);
}

static uint32_t serve_requests(struct mmu_context *context)
{
	uint32_t requests;

	if (u32_load_relaxed(&context->requests) & REQUEST_HANDOVER)
		hand_over(context);
	/* A handover requested since is dropped; its waiter asks again if it still waits. */
	requests = u32_exchange_acq_rel(&context->requests, 0) & ~(uint32_t)REQUEST_HANDOVER;
	if (requests) {
		cpu_log_drain(&context->actor, context); /* a reader of the log kicked it out */
		free_obsolete_root(context);
	}
	return requests;
}

int mmu_context_prepare(struct mmu_context *context)
{
	uint32_t requests = 0;
	int err = 0;

	if (u32_load_relaxed(&context->requests)) /* a hint: mmu_guest_enter() tests again */
		requests = serve_requests(context);
	if (!context->root.table)
		err = load_root(context);
	return !err && must_wait_for_ring(context, requests) ? MMU_RING_FULL : err;
}
