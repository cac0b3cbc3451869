/*
 * Fast page faults: rights that an entry has kept in its software bits are given
 * back by one compare-and-swap, without mmu_lock.
 *
 * Safe without the invalidation check: the swap demands the entry as it was, so
 * the same frame, and a direct entry's gfn is fixed. It never changes the frame,
 * never sets D and never owes a flush (Linux fast_page_fault(), 6.12, and
 * Documentation/virt/kvm/locking.rst).
 */
#include "mmu/fault.h"
#include "mmu/lookup.h"
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
	struct lookup found;
	int step;
};

static void remember(const struct fault *fault, const struct attempt *attempt, uint64_t new)
{
	struct mmu_context *context = fault->context;
	struct mmu *mmu = context->actor.mmu;

	if (!mmu->check)
		return;
	history_add(&mmu->checks.history,
		    &(struct change_record){.gfn = tdp_gfn_round(fault->gfn, attempt->found.level),
					    .level = attempt->found.level,
					    .address_space = role_address_space(context->role.word),
					    .vcpu = context->actor.vcpu,
					    .old = attempt->found.entry,
					    .new = new});
}

static struct attempt try_to_fix(const struct fault *fault)
{
	const struct mmu *mmu = fault->context->actor.mmu;
	const struct encoding *e = &mmu->encoding;
	struct attempt attempt = {.step = STEP_INVALID};

	for (int tries = 0; tries < FAST_TRIES; tries++) {
		uint64_t old, new;

		attempt.found = lookup_last(mmu, fault->context->root.table, fault->gfn);
		old = attempt.found.entry;
		if (!spte_present(e, old))
			return attempt;
		attempt.step = STEP_SPURIOUS;
		if (spte_allows(e, old, fault->access))
			return attempt;
		attempt.step = STEP_INVALID;
		new = repaired(fault, old, attempt.found.level);
		if (new == old || !spte_allows(e, new, fault->access))
			return attempt;
		if (u64_cas_acq_rel(attempt.found.slot, &old, new)) {
			attempt.step = STEP_FIXED;
			/* After the swap, or a reader of the log could take the mark
			 * before there is anything to protect again (D2). */
			if (spte_writable(e, new & ~old))
				mmu_mark_dirty(&fault->context->actor, fault->slot, fault->gfn);
			remember(fault, &attempt, new);
			return attempt;
		}
	}
	return attempt;
}

static void trace_fast(const struct fault *fault, const struct attempt *attempt)
{
	struct mmu_actor *actor = &fault->context->actor;
	const struct mmu *mmu = actor->mmu;
	const struct lookup *found = &attempt->found;

	mmu_trace(actor, &(struct tdp_trace_event){
				 .kind = TDP_TRACE_FAST_PAGE_FAULT,
				 .fast_page_fault = {
					 .address = fault->gpa,
					 .error_code = fault->error,
					 .entry_at = entry_address(mmu->host, found->slot),
					 .old_entry = found->entry,
					 .new_entry = u64_load_relaxed(found->slot),
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

	mmu_read_begin(&context->actor);
	attempt = try_to_fix(fault);
	if (mmu_tracing(&context->actor))
		trace_fast(fault, &attempt);
	mmu_read_end(&context->actor);
	if (attempt.step != STEP_INVALID)
		counter_bump(&context->counters.pf_fast);
	return attempt.step;
}
