/* Recycling harvested entries of all dirty rings. See ring_reset.h. */
#include "mmu/ring_reset.h"

#include "guest/dirty_ring.h"
#include "mmu/dirty.h"
#include "mmu/flush.h"
#include "mmu/trace.h"

/* Neighbouring pages of a slot, protected together. */
struct batch {
	struct mmu_actor *task;
	struct dirty_ring_entry first; /* bit 0 of the mask */
	uint64_t mask;
};

static void protect_batch(struct batch *batch)
{
	const struct dirty_ring_entry *first = &batch->first;
	const struct memslot *slot;

	if (!batch->mask)
		return;
	slot = memslot_by_id(memslots_of(batch->task->mmu->memory, first->address_space),
			     first->slot);
	/* The slot may have been deleted, or its id taken by another. */
	if (slot && first->offset < slot->pages)
		mmu_dirty_protect(batch->task, slot, first->offset,
				  batch->mask & dirty_log_valid(slot->pages - first->offset, 0));
	batch->mask = 0;
}

/* True: the page lies within 64 pages of the others, which may move up to make room. */
static bool join(struct batch *batch, const struct dirty_ring_entry *entry)
{
	uint64_t ahead = entry->offset - batch->first.offset;
	uint64_t behind = batch->first.offset - entry->offset;

	if (!batch->mask || entry->slot != batch->first.slot ||
	    entry->address_space != batch->first.address_space)
		return false;
	if (ahead < LOG_WORD_PAGES) {
		batch->mask |= 1ULL << ahead;
		return true;
	}
	if (behind >= LOG_WORD_PAGES || batch->mask << behind >> behind != batch->mask)
		return false;
	batch->first = *entry;
	batch->mask = batch->mask << behind | 1;
	return true;
}

static uint32_t reset_ring(struct mmu_actor *task, struct mmu_context *context)
{
	struct dirty_ring *ring = context->dirty_ring;
	struct dirty_ring_counts counts = dirty_ring_counts(ring);
	uint32_t count = counts.harvested - counts.reset;
	struct batch batch = {.task = task};

	for (uint32_t i = 0; i < count; i++) {
		const struct dirty_ring_entry *entry = dirty_ring_entry(ring, counts.reset + i);

		if (join(&batch, entry))
			continue;
		protect_batch(&batch);
		batch.first = *entry;
		batch.mask = 1;
	}
	protect_batch(&batch);
	counts = dirty_ring_recycle(ring, count);
	if (mmu_tracing(task))
		trace_dirty_ring_reset(task, context, counts);
	return count;
}

uint64_t mmu_dirty_rings_reset(struct mmu_actor *task)
{
	struct mmu_context *context = ptr_load_acquire(&task->mmu->vcpus.oldest);
	uint64_t count = 0;

	mmu_dirty_pass_begin(task->mmu);
	for (; context; context = ptr_load_acquire(&context->younger))
		count += reset_ring(task, context);
	if (count)
		mmu_flush_all(task);
	mmu_dirty_pass_end(task->mmu);
	return count;
}
