/* Remote TLB flushes and requests. See flush.h. */
#include "mmu/flush.h"

#include "mmu/context.h"
#include "mmu/trace.h"
#include "platform/charge.h"
#include "platform/handover.h"

/* Waits until an attempt that is under way has ended (F1). True: there was one. */
static bool wait_until_left(const struct mmu_context *context, struct handover_wait *wait)
{
	uint64_t inside = u64_load_seq_cst(&context->inside);

	if (!(inside & 1))
		return false;
	handover_wait_next(wait);
	while (u64_load_acquire(&context->inside) == inside)
		handover_pause(&context->actor.mmu->host->handover, wait);
	return true;
}

/* Sequentially consistent: a vCPU that is not linked yet comes after what was raised. */
static struct mmu_context *first_context(struct mmu *mmu)
{
	return ptr_load_seq_cst(&mmu->vcpus.youngest);
}

static bool kick(const struct mmu_context *context, struct handover_wait *wait)
{
	bool inside = wait_until_left(context, wait);

	if (inside)
		charge(CHARGE_IPI, 1);
	return inside;
}

/* All are told before any is waited for, so that they leave side by side. */
static bool kick_all(struct mmu *mmu)
{
	struct handover_wait wait = {0};
	struct mmu_context *context;
	bool any = false;

	for (context = first_context(mmu); context; context = context->next)
		any |= kick(context, &wait);
	handover_wait_end(&mmu->host->handover, &wait);
	return any;
}

/* No pages: everything. */
static void queue_range(struct mmu_context *context, tdp_gfn_t gfn, uint64_t pages)
{
	struct flush_queue *queue = &context->flush_queue;

	spinlock_lock(&queue->lock);
	if (!pages || queue->count == FLUSH_QUEUE_RANGES)
		queue->all = true;
	else
		queue->ranges[queue->count++] = (struct flush_range){gfn, tdp_gfn(gfn.n + pages)};
	spinlock_unlock(&queue->lock);
}

static void flush(struct mmu_actor *actor, tdp_gfn_t gfn, uint64_t pages)
{
	struct mmu *mmu = actor->mmu;
	bool exact = mmu->policy.range_flush == TDP_RANGE_FLUSH_EXACT;
	struct mmu_context *context;

	if (mmu_tracing(actor))
		trace_flush(actor, gfn, pages);
	tally_add(&mmu->flush_counts.requests, 1);
	for (context = first_context(mmu); context; context = context->next) {
		if (exact)
			queue_range(context, gfn, pages);
		u64_add_seq_cst(&context->flush_generation, 1);
	}
	if (kick_all(mmu))
		tally_add(&mmu->flush_counts.made, 1);
}

void mmu_flush_all(struct mmu_actor *actor)
{
	flush(actor, tdp_gfn(0), 0);
}

void mmu_flush_range(struct mmu_actor *actor, tdp_gfn_t gfn, uint64_t pages)
{
	flush(actor, gfn, pages);
}

void mmu_kick(struct mmu_context *context)
{
	struct handover_wait wait = {0};

	kick(context, &wait);
	handover_wait_end(&context->actor.mmu->host->handover, &wait);
}

void mmu_kick_all(struct mmu_actor *actor)
{
	kick_all(actor->mmu);
}

void mmu_request_all(struct mmu_actor *actor, enum mmu_request request)
{
	struct mmu_context *context;

	for (context = first_context(actor->mmu); context; context = context->next)
		u32_or_seq_cst(&context->requests, request);
	kick_all(actor->mmu);
}

/*
 * A range may be queued whose flusher has not raised the generation yet: its entries have been
 * changed, so translations found from now on are new.
 */
static void flush_exactly(struct mmu_context *context)
{
	struct flush_queue *queue = &context->flush_queue;

	spinlock_lock(&queue->lock);
	if (queue->all)
		tlb_flush(&context->tlb);
	else
		for (unsigned int i = 0; i < queue->count; i++)
			tlb_flush_range(&context->tlb, queue->ranges[i].first,
					queue->ranges[i].past);
	queue->all = false;
	queue->count = 0;
	spinlock_unlock(&queue->lock);
}

void mmu_context_flush(struct mmu_context *context)
{
	if (context->actor.mmu->policy.range_flush == TDP_RANGE_FLUSH_EXACT)
		flush_exactly(context);
	else
		tlb_flush(&context->tlb);
	counter_bump(&context->counters.tlb_flush);
}
