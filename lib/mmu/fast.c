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

/*
 * An attempt is compiled three times: for observed actors, after a lost race, and for the common
 * case, which then keeps it in registers.
 */
#define INLINE __attribute__((always_inline)) static inline
#define COLD   static __attribute__((noinline, cold))

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

struct repair {
	uint64_t new; /* with STEP_FIXED: the value to swap in */
	int step;     /* CONTINUE: not decided, try again */
	bool gives_write;
};

/* An attempt as its last try left it. */
struct attempt {
	struct descent at;
	uint64_t old;
	struct repair repair;
};

static __attribute__((noinline)) struct repair examine(const struct fault *fault, uint64_t old,
						       unsigned int level)
{
	const struct mmu *mmu = fault->context->actor.mmu;
	const struct encoding *e = &mmu->encoding;
	uint64_t new;

	if (spte_table(e, old, level))
		return (struct repair){.step = STEP_CONTINUE}; /* linked since the descent */
	table_meet(mmu->host, old);
	if (!spte_present(e, old))
		return (struct repair){.step = STEP_INVALID};
	if (spte_allows(e, old, fault->access))
		return (struct repair){.step = STEP_SPURIOUS};
	new = repaired(fault, old, level);
	if (new == old || !spte_allows(e, new, fault->access))
		return (struct repair){.step = STEP_INVALID};
	return (struct repair){
		.new = new, .step = STEP_FIXED, .gives_write = spte_writable(e, new & ~old)};
}

/*
 * Most fast faults write to a 4K leaf that lacks nothing but W, which one comparison recognises;
 * examine() would decide the same. The poison of a freed table has W, so examine() counts it.
 */
static inline bool lacks_only_write(const struct encoding *e, uint64_t spte, unsigned int level)
{
	const uint64_t wanted = e->mmu_present | e->mmu_writable;

	return level == TDP_4K && e->hardware_ad && (spte & (wanted | e->write)) == wanted;
}

INLINE struct repair repair_of(const struct fault *fault, const struct encoding *e, uint64_t old,
			       unsigned int level)
{
	if (__builtin_expect(fault->access == TDP_WRITE && lacks_only_write(e, old, level), 1))
		return (struct repair){
			.new = old | e->write, .step = STEP_FIXED, .gives_write = true};
	return examine(fault, old, level);
}

/* Without a ring and an observer it only sets a bit; that is done in line. */
INLINE void mark(const struct fault *fault, bool observed)
{
	struct mmu_context *context = fault->context;
	const struct memslot *slot = fault->slot;

	if (observed || context->dirty_ring)
		mmu_mark_dirty(&context->actor, slot, fault->gfn);
	else if (slot && slot->log_dirty && slot->log->words)
		dirty_log_mark(slot->log, fault->gfn.n - slot->gfn.n);
}

/* Its step is STEP_CONTINUE if another actor changed the entry meanwhile. */
INLINE struct attempt try_to_fix(const struct fault *fault, bool observed)
{
	const struct encoding *e = &fault->context->actor.mmu->encoding;
	struct attempt attempt = {.at = descend(fault->context, fault->gfn, false)};
	uint64_t expected = u64_load_acquire(attempt.at.slot);

	attempt.old = expected;
	attempt.repair = repair_of(fault, e, expected, attempt.at.level);
	if (attempt.repair.step != STEP_FIXED)
		return attempt;
	if (!u64_cas_acq_rel(attempt.at.slot, &expected, attempt.repair.new))
		attempt.repair.step = STEP_CONTINUE;
	/* After the swap, or a reader of the log could take the mark before there is anything to
	 * protect again (D2 of dirty.h). */
	else if (attempt.repair.gives_write)
		mark(fault, observed);
	return attempt;
}

INLINE struct attempt try_often(const struct fault *fault, int tries, bool observed)
{
	struct attempt attempt;

	do {
		attempt = try_to_fix(fault, observed);
	} while (attempt.repair.step == STEP_CONTINUE && --tries);
	if (attempt.repair.step == STEP_CONTINUE)
		attempt.repair.step = STEP_INVALID;
	return attempt;
}

static void remember(const struct fault *fault, const struct attempt *attempt)
{
	struct mmu_context *context = fault->context;

	history_add(&context->actor.mmu->checks.history,
		    &(struct change_record){.gfn = tdp_gfn_round(fault->gfn, attempt->at.level),
					    .level = attempt->at.level,
					    .address_space = role_address_space(context->role.word),
					    .vcpu = context->actor.vcpu,
					    .old = attempt->old,
					    .new = attempt->repair.new});
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
					 .old_entry = attempt->old,
					 .new_entry = u64_load_relaxed(attempt->at.slot),
					 .result = fault_step_number(mmu, attempt->repair.step),
					 .spurious = attempt->repair.step == STEP_SPURIOUS,
					 .fixed = attempt->repair.step == STEP_FIXED,
					 .narrow = mmu->policy.narrow_fast_error == TDP_ON,
				 }});
}

COLD int fix_observed(const struct fault *fault)
{
	struct mmu_actor *actor = &fault->context->actor;
	struct attempt attempt = try_often(fault, FAST_TRIES, true);

	if (attempt.repair.step == STEP_FIXED && actor->mmu->check)
		remember(fault, &attempt);
	if (mmu_tracing(actor))
		trace_fast(fault, &attempt);
	return attempt.repair.step;
}

COLD int fix_after_race(const struct fault *fault)
{
	return try_often(fault, FAST_TRIES - 1, false).repair.step;
}

static inline int fix(const struct fault *fault)
{
	int step;

	if (__builtin_expect(fault->context->actor.observed, 0))
		return fix_observed(fault);
	step = try_to_fix(fault, false).repair.step;
	return __builtin_expect(step == STEP_CONTINUE, 0) ? fix_after_race(fault) : step;
}

int fault_fast(struct fault *fault)
{
	struct mmu_context *context = fault->context;
	int step = fix(fault);

	if (step != STEP_INVALID)
		counter_bump(&context->counters.pf_fast);
	return step;
}
