/* Invalidations: memory changes hands under the guest. See invalidate.h. */
#include "mmu/invalidate.h"

#include "mmu/flush.h"
#include "mmu/trace.h"
#include "platform/check.h"

void invalidation_begin(struct mmu_exclusive exclusive)
{
	struct invalidation *invalidation = &exclusive.held.actor->mmu->watched.invalidation;

	if (u64_add_acq_rel(&invalidation->in_progress, 1) == 0) {
		u64_store_release(&invalidation->first, ~0ULL);
		u64_store_release(&invalidation->past, 0);
	}
}

/*
 * The union only grows while an invalidation is open: an end must not uncover the range of another.
 */
void invalidation_add(struct mmu_exclusive exclusive, struct gfn_range range)
{
	struct invalidation *invalidation = &exclusive.held.actor->mmu->watched.invalidation;

	if (range.first.n < u64_load_relaxed(&invalidation->first))
		u64_store_release(&invalidation->first, range.first.n);
	if (range.past.n > u64_load_relaxed(&invalidation->past))
		u64_store_release(&invalidation->past, range.past.n);
}

void invalidation_end(struct mmu_exclusive exclusive)
{
	struct invalidation *invalidation = &exclusive.held.actor->mmu->watched.invalidation;

	/*
	 * seq first: a reader that sees nothing in progress any more must see that something was.
	 */
	u64_store_release(&invalidation->seq, u64_load_relaxed(&invalidation->seq) + 1);
	CHECK(u64_add_acq_rel(&invalidation->in_progress, (uint64_t)-1) != 0);
}

typedef void (*slot_range_fn)(void *context, unsigned int address_space, struct gfn_range range);

/*
 * Every slot that the change concerns. While the pair is open no other array is published (M3 of
 * memslot.h): no section is needed.
 */
static void for_each_slot_range(struct mmu *mmu, const struct memory_change *change,
				slot_range_fn visit, void *context)
{
	struct guest_memory *memory = mmu->memory;

	for (unsigned int as = 0; as < memory->address_spaces; as++) {
		const struct memslots *slots = memslots_of(memory, as);
		const struct memslot *slot = NULL;

		while ((slot = memslot_next_changed(slots, change, slot))) {
			struct gfn_range range;

			memslot_changed(slot, change, &range.first, &range.past);
			visit(context, as, range);
		}
	}
}

/* mmu_lock is taken at the first slot that the change concerns, and not at all without one. */
struct invalidation_pass {
	struct mmu_actor *task;
	struct mmu_exclusive exclusive;
	bool locked;
	bool flush;
};

static bool pass_lock(struct invalidation_pass *pass)
{
	if (pass->locked)
		return false;
	pass->exclusive = mmu_lock_exclusive(pass->task);
	pass->locked = true;
	return true;
}

static void unmap_slot_range(void *context, unsigned int address_space, struct gfn_range range)
{
	struct invalidation_pass *pass = context;

	if (pass_lock(pass))
		invalidation_begin(pass->exclusive);
	invalidation_add(pass->exclusive, range);
	/* Invalid roots too: the host is about to free what they map (Z2). */
	pass->flush |=
		mmu_zap_leaves_in(pass->exclusive, ROOTS_ALL, (int)address_space, range, true);
}

void mmu_invalidate_begin(struct mmu *mmu, const struct memory_change *change)
{
	struct invalidation_pass pass = {.task = mmu_task_get(mmu)};

	if (mmu_tracing(pass.task))
		trace_unmap_hva(pass.task, change->start, change->end);
	invalidation_open(mmu->memory);
	for_each_slot_range(mmu, change, unmap_slot_range, &pass);
	if (pass.flush)
		mmu_flush_all(pass.task);
	if (pass.locked)
		mmu_unlock_exclusive(pass.exclusive);
	mmu_task_put(pass.task);
}

static void note_slot_range(void *context, unsigned int address_space, struct gfn_range range)
{
	(void)address_space;
	(void)range;
	pass_lock(context);
}

void mmu_invalidate_end(struct mmu *mmu, const struct memory_change *change)
{
	struct invalidation_pass pass = {.task = mmu_task_get(mmu)};

	for_each_slot_range(mmu, change, note_slot_range, &pass);
	if (pass.locked) {
		invalidation_end(pass.exclusive);
		mmu_unlock_exclusive(pass.exclusive);
	}
	mmu_task_put(pass.task);
	invalidation_close(mmu->memory);
}

void mmu_zap_range(struct mmu_actor *actor, struct gfn_range range)
{
	struct mmu_exclusive exclusive = mmu_lock_exclusive(actor);
	enum root_filter filter =
		actor->mmu->policy.skip_invalid_roots == TDP_ON ? ROOTS_VALID : ROOTS_ALL;

	invalidation_begin(exclusive);
	invalidation_add(exclusive, range);
	if (mmu_zap_leaves_in(exclusive, filter, ANY_ADDRESS_SPACE, range, true))
		mmu_flush_range(actor, range.first, range.past.n - range.first.n);
	invalidation_end(exclusive);
	mmu_unlock_exclusive(exclusive);
}
