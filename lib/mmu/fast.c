/*
 * Fast page faults: one compare-and-swap gives an entry back the rights that it has kept in its
 * software bits, without mmu_lock.
 *
 * Safe without the invalidation check: the swap demands the old value of the entry, so
 * the same frame, and a direct entry's gfn is fixed. It never changes the frame,
 * never sets D and never owes a flush (Linux fast_page_fault(), 6.12, and
 * Documentation/virt/kvm/locking.rst).
 */
#include "mmu/fault.h"
#include "mmu/mark.h"
#include "mmu/trace.h"

#define FAST_TRIES 5

static bool logged(const struct fault *fault)
{
	return fault->slot && fault->slot->log_dirty;
}

/* The entry itself if it cannot be repaired here. */
static uint64_t repaired(const struct fault *fault, uint64_t spte, unsigned int level)
{
	const struct encoding *e = &fault->context->actor.mmu->encoding;
	uint64_t new = spte;

	if (!e->hardware_ad && spte_access_tracked(e, spte))
		new = spte_restore(e, spte) | e->accessed;
	if (fault->access == TDP_WRITE && spte_mmu_writable(e, spte))
		new |= e->write;
	/* One page is marked: the others of a huge leaf would be written unseen. */
	if (spte_writable(e, new & ~spte) && level > TDP_4K && logged(fault))
		return spte;
	return new;
}

struct attempt {
	struct descent at;
	uint64_t entry; /* the old value */
	int step;
};

static void remember(const struct fault *fault, const struct attempt *attempt, uint64_t new)
{
	struct mmu_context *context = fault->context;
	struct mmu *mmu = context->actor.mmu;

	if (!mmu->check)
		return;
	history_add(&mmu->checks.history,
		    &(struct change_record){.gfn = tdp_gfn_round(fault->gfn, attempt->at.level),
					    .level = attempt->at.level,
					    .address_space = role_address_space(context->role.word),
					    .vcpu = context->actor.vcpu,
					    .old = attempt->entry,
					    .new = new});
}

/* Without a ring and an observer it only sets a bit; that is done in line. */
static inline void mark(const struct fault *fault)
{
	struct mmu_context *context = fault->context;
	const struct memslot *slot = fault->slot;

	if (context->actor.observed || context->dirty_ring)
		mmu_mark_dirty(&context->actor, slot, fault->gfn);
	else if (slot && slot->log_dirty && slot->log->words)
		dirty_log_mark(slot->log, fault->gfn.n - slot->gfn.n);
}

/* False: another actor changed the entry meanwhile. */
static inline bool try_to_fix(const struct fault *fault, struct attempt *attempt)
{
	const struct mmu *mmu = fault->context->actor.mmu;
	const struct encoding *e = &mmu->encoding;
	uint64_t old, new;

	attempt->step = STEP_INVALID;
	attempt->at = descend(fault->context, fault->gfn, false);
	attempt->entry = old = u64_load_acquire(attempt->at.slot);
	if (__builtin_expect(spte_table(e, old, attempt->at.level), 0))
		return false;
	table_meet(mmu->host, old);
	if (!spte_present(e, old))
		return true;
	if (spte_allows(e, old, fault->access)) {
		attempt->step = STEP_SPURIOUS;
		return true;
	}
	new = repaired(fault, old, attempt->at.level);
	if (new == old || !spte_allows(e, new, fault->access))
		return true;
	if (!u64_cas_acq_rel(attempt->at.slot, &old, new))
		return false;
	attempt->step = STEP_FIXED;
	/* After the swap, or a reader of the log could take the mark before there is anything to
	 * protect again (D2 of dirty.h). */
	if (spte_writable(e, new & ~old))
		mark(fault);
	remember(fault, attempt, new);
	return true;
}

static void trace_fast(const struct fault *fault, const struct attempt *attempt)
{
	struct mmu_actor *actor = &fault->context->actor;
	const struct mmu *mmu = actor->mmu;

	mmu_trace(actor, &(struct tdp_trace_event){
				 .kind = TDP_TRACE_FAST_PAGE_FAULT,
				 .fast_page_fault = {
					 .address = fault->gpa,
					 .error_code = fault->error,
					 .entry_at = entry_address(mmu->host, attempt->at.slot),
					 .old_entry = attempt->entry,
					 .new_entry = u64_load_relaxed(attempt->at.slot),
					 .result = fault_step_number(mmu, attempt->step),
					 .spurious = attempt->step == STEP_SPURIOUS,
					 .fixed = attempt->step == STEP_FIXED,
					 .narrow = mmu->policy.narrow_fast_error == TDP_ON,
				 }});
}

int fault_fast(struct fault *fault)
{
	struct mmu_context *context = fault->context;
	struct attempt attempt;
	int tries = 0;

	while (!try_to_fix(fault, &attempt) && ++tries < FAST_TRIES)
		;
	if (__builtin_expect(context->actor.observed, 0) && mmu_tracing(&context->actor))
		trace_fast(fault, &attempt);
	if (attempt.step != STEP_INVALID)
		counter_bump(&context->counters.pf_fast);
	return attempt.step;
}
