/* The fault path's order of steps. See fault.h. */
#include "mmu/fault.h"

#include <errno.h>

#include "mmu/cpu_log.h"
#include "mmu/fill.h"
#include "mmu/invalidate.h"
#include "mmu/ring.h"
#include "mmu/root.h"
#include "mmu/table_cache.h"
#include "mmu/trace.h"
#include "mmu/unprotect.h"
#include "platform/charge.h"

/* vmx_handle_ept_violation(), 6.12. */
static uint64_t error_of_ept_violation(uint64_t qualification)
{
	uint64_t error = 0;

	error |= qualification & 1 ? PFERR_USER : 0;
	error |= qualification & 2 ? PFERR_WRITE : 0;
	error |= qualification & EPT_VIOLATION_FETCH ? PFERR_FETCH : 0;
	error |= qualification & EPT_VIOLATION_PRESENT ? PFERR_PRESENT : 0;
	if (qualification & 0x80)
		error |= qualification & 0x100 ? PFERR_GUEST_FINAL : PFERR_GUEST_PAGE;
	return error;
}

static uint64_t error_of_exit(const struct mmu *mmu, const struct tdp_fault *exit)
{
	if (mmu->encoding.format->id == TDP_NPT)
		return exit->error_code;
	return exit->misconfig ? PFERR_RSVD : error_of_ept_violation(exit->error_code);
}

static enum tdp_access access_of_error(uint64_t error)
{
	if (error & PFERR_FETCH)
		return TDP_FETCH;
	return error & PFERR_WRITE ? TDP_WRITE : TDP_READ;
}

/*
 * What only some faults need. Where nobody is handed the address of what a fault is
 * about, the compiler keeps it in registers; who needs one gets a struct fault here.
 */
#define ASIDE static __attribute__((noinline, cold))

ASIDE void trace_exit(struct mmu_context *context, const struct tdp_fault *exit)
{
	/* An EPT misconfiguration has no kvm_page_fault event. */
	if (exit->misconfig)
		return;
	mmu_trace(&context->actor,
		  &(struct tdp_trace_event){.kind = TDP_TRACE_PAGE_FAULT,
					    .page_fault = {.rip = exit->rip,
							   .address = exit->gpa,
							   .error_code = exit->error_code}});
}

ASIDE void trace_return(struct mmu_actor *actor, int step)
{
	int number = fault_step_number(actor->mmu, step);

	mmu_trace(actor, &(struct tdp_trace_event){.kind = TDP_TRACE_FAULT_RETURN,
						   .fault_return = {.result = number}});
}

ASIDE void count_unfixed(struct counters *counters, int step)
{
	switch (step) {
	case STEP_SPURIOUS:
		counter_bump(&counters->pf_spurious);
		break;
	case STEP_EMULATE:
		counter_bump(&counters->pf_emulate);
		break;
	case STEP_RETRY:
	case STEP_WRITE_PROTECTED:
		counter_bump(&counters->retries);
		break;
	default:
		counter_bump(&counters->errors);
	}
}

static inline tdp_gfn_t gfn_of_exit(const struct tdp_fault *exit)
{
	return tdp_gfn(exit->gpa >> TDP_PAGE_SHIFT);
}

/* An exit, and what is known of it: what the parts below are handed. */
static struct fault fault_of(struct mmu_context *context, const struct tdp_fault *exit,
			     uint64_t error, const struct memslots *slots,
			     const struct memslot *slot)
{
	return (struct fault){
		.context = context,
		.gpa = exit->gpa,
		.gfn = gfn_of_exit(exit),
		.error = error,
		.access = access_of_error(error),
		.slots = slots,
		.slot = slot,
	};
}

ASIDE int handle_mmio(struct mmu_context *context, const struct tdp_fault *exit, uint64_t error,
		      const struct memslots *slots, const struct memslot *slot)
{
	struct fault fault = fault_of(context, exit, error, slots, slot);

	return fault_mmio(&fault);
}

/* Where there is no slot, an entry may say so: no page, and nothing to be stale but the root. */
ASIDE int handle_hole(struct mmu_context *context, const struct tdp_fault *exit, uint64_t error,
		      const struct memslots *slots)
{
	struct fault fault = fault_of(context, exit, error, slots, NULL);
	int step = fault_hole(&fault);
	struct mmu_shared shared;

	if (step != STEP_CONTINUE)
		return step;
	shared = mmu_lock_shared(&context->actor);
	if (root_invalid(context->root.table)) {
		counter_bump(&context->counters.retries_locked);
		step = STEP_RETRY;
	} else {
		step = fault_map(shared, &fault);
	}
	mmu_unlock_shared(shared);
	return step;
}

/* An address that no table of this root translates is nobody's memory. */
static inline bool out_of_reach(const struct mmu_context *context, const struct tdp_fault *exit)
{
	return gfn_of_exit(exit).n >= context->role.reach.n;
}

/* The page behind a frame. The host may be busy for long: before and after, is it changing? */
static inline int resolve(struct mmu_actor *actor, const struct memslot *slot, tdp_gfn_t gfn,
			  bool write, uint64_t snapshot, struct tdp_backing_page *page)
{
	const struct mmu *mmu = actor->mmu;
	bool early = mmu->policy.early_invalidation_check == TDP_ON;
	int err;

	if (slot->invalid)
		return STEP_RETRY; /* being deleted or moved */
	if (early && invalidation_covers(mmu, gfn))
		return STEP_RETRY;
	/* A write to a read-only slot is an MMIO exit: the host is not asked. */
	if (write && slot->read_only)
		return STEP_EMULATE;
	err = slot_page_resolve(slot, &actor->caller, gfn, write, page);
	if (err)
		return err;
	if (early && invalidation_hits(mmu, snapshot, gfn)) {
		slot_page_release(slot, gfn, *page, false);
		return STEP_RETRY;
	}
	return STEP_CONTINUE;
}

/* Under mmu_lock: was the root invalidated, or the page changed, since we looked? */
static inline bool fault_stale(const struct mmu_context *context, tdp_gfn_t gfn, uint64_t snapshot)
{
	if (root_invalid(context->root.table))
		return true;
	return invalidation_hits(context->actor.mmu, snapshot, gfn);
}

/*
 * The handler. Its order is the contract: the snapshot before the host is asked, so
 * that a change of the page in between is seen by fault_stale() (N2 of invalidate.h).
 */
static inline int handle(struct mmu_context *context, const struct tdp_fault *exit, uint64_t error,
			 const struct memslots *slots, const struct memslot *slot)
{
	const enum tdp_access access = access_of_error(error);
	const tdp_gfn_t gfn = gfn_of_exit(exit);
	struct fault fault = fault_of(context, exit, error, slots, slot);
	struct mmu_shared shared;
	uint64_t snapshot;
	int step;

	if (out_of_reach(context, exit))
		return STEP_EMULATE;
	if (fault_may_be_fast(context, error)) {
		step = access == TDP_WRITE ? unprotect_leaf(context, slot, gfn) : STEP_INVALID;
		if (step == STEP_INVALID)
			step = fault_fast(&fault);
		if (step != STEP_INVALID)
			return step;
	}
	step = table_cache_fill(context);
	if (step)
		return step;
	if (!slot)
		return handle_hole(context, exit, error, slots);
	snapshot = invalidation_snapshot(context->actor.mmu);
	step = resolve(&context->actor, slot, gfn, access == TDP_WRITE, snapshot, &fault.page);
	if (step != STEP_CONTINUE)
		return step;
	shared = mmu_lock_shared(&context->actor);
	if (fault_stale(context, gfn, snapshot)) {
		counter_bump(&context->counters.retries_locked);
		step = STEP_RETRY;
	} else {
		step = fault_map(shared, &fault);
	}
	mmu_unlock_shared(shared);
	slot_page_release(slot, gfn, fault.page, step >= STEP_FIXED && fault.page.writable);
	return step;
}

static inline int handle_and_count(struct mmu_context *context, const struct tdp_fault *exit,
				   uint64_t error, const struct memslots *slots,
				   const struct memslot *slot)
{
	int step;

	counter_bump(&context->counters.pf_taken);
	step = handle(context, exit, error, slots, slot);
	if (mmu_tracing(&context->actor))
		trace_return(&context->actor, step);
	if (__builtin_expect(step == STEP_FIXED, 1))
		counter_bump(&context->counters.pf_fixed);
	else
		count_unfixed(&context->counters, step);
	return step;
}

/* One section covers the slots and the tables (guest/memslot.h). */
static inline int fault_in_section(struct mmu_context *context, const struct tdp_fault *exit,
				   uint64_t error)
{
	const struct memslots *slots = ptr_load_acquire(context->role.slots);
	const struct memslot *slot =
		memslot_find_again(slots, &context->last_slot, gfn_of_exit(exit));
	int step = STEP_INVALID;

	if (__builtin_expect((error & PFERR_RSVD) != 0, 0) && !out_of_reach(context, exit))
		step = handle_mmio(context, exit, error, slots, slot);
	return step == STEP_INVALID ? handle_and_count(context, exit, error, slots, slot) : step;
}

/* Any exit: what each has to do besides, then the fault. */
static __attribute__((noinline)) int serve(struct mmu_context *context,
					   const struct tdp_fault *exit)
{
	struct mmu_actor *actor = &context->actor;
	int step;

	counter_bump(&context->counters.exits);
	if (context->write_log)
		cpu_log_drain(actor, context); /* first of all, as vmx_handle_exit() */
	if (mmu_tracing(actor))
		trace_exit(context, exit);
	if (!context->root.table || !vcpu_ring_has_room(context))
		return STEP_RETRY;
	mmu_read_begin(actor);
	step = fault_in_section(context, exit, error_of_exit(actor->mmu, exit));
	mmu_read_end(actor);
	charge(CHARGE_VM_ENTRY, 1);
	return step;
}

#define NO_PAGE (~0ULL)

/* The host has to make the page first, and may fail: then NO_PAGE; serve() will tell why. */
ASIDE tdp_pfn_t make_page(struct mmu_context *context, const struct memslot *slot, tdp_gfn_t gfn)
{
	struct tdp_backing_page page;

	if (slot_page_resolve(slot, &context->actor.caller, gfn, true, &page))
		return tdp_pfn(NO_PAGE);
	return page.pfn;
}

/* The page behind a frame of a slot with a plain map, or NO_PAGE. */
static inline tdp_pfn_t find_page(struct mmu_context *context, const struct memslot *slot,
				  tdp_gfn_t gfn)
{
	struct mapped_page found;

	if (__builtin_expect(page_map_find(slot->plain, gfn.n + slot->plain_offset, &found), 1))
		return found.pfn;
	return make_page(context, slot, gfn);
}

/*
 * The short way: a hole in a slot that asks for nothing special, of which the host has
 * the page and the tree the tables. The steps are those of handle(), in its order; what
 * it would ask at each was answered before, when the vCPU (plain_mask) or the slot (plain)
 * came to be. INVALID: nothing was done, serve() knows what to do.
 */
__attribute__((always_inline)) static inline int fill(struct mmu_context *context,
						      const struct tdp_fault *exit)
{
	const struct mmu *mmu = context->actor.mmu;
	const tdp_gfn_t gfn = gfn_of_exit(exit);
	const struct memslots *slots = ptr_load_acquire(context->role.slots);
	const struct memslot *slot = memslot_find_again(slots, &context->last_slot, gfn);
	struct mmu_shared shared;
	uint64_t snapshot;
	struct way way;
	tdp_pfn_t pfn;
	int step;

	if (!slot || !slot->plain)
		return STEP_INVALID;
	way = fill_way(context, gfn);
	snapshot = invalidation_snapshot(mmu);
	if (invalidation_covers(mmu, gfn))
		return STEP_INVALID;
	pfn = find_page(context, slot, gfn);
	if (pfn.n == NO_PAGE || invalidation_hits(mmu, snapshot, gfn))
		return STEP_INVALID;
	shared = mmu_lock_shared(&context->actor);
	step = STEP_INVALID;
	if (!fault_stale(context, gfn, snapshot))
		step = fill_hole(shared, context, slot, gfn,
				 exit->error_code & context->plain_exits.fetch, pfn, way);
	mmu_unlock_shared(shared);
	return step;
}

static inline bool may_fill(const struct mmu_context *context, const struct tdp_fault *exit)
{
	return (exit->error_code & context->plain_exits.mask) == context->plain_exits.bits &&
	       !exit->misconfig && context->root.table && !out_of_reach(context, exit) &&
	       !table_cache_lacks(context);
}

int mmu_page_fault(struct mmu_context *context, const struct tdp_fault *exit)
{
	int step = STEP_INVALID;

	charge(CHARGE_VM_EXIT, 1);
	if (__builtin_expect(may_fill(context, exit), 1)) {
		mmu_read_begin(&context->actor);
		step = fill(context, exit);
		mmu_read_end(&context->actor);
	}
	if (__builtin_expect(step != STEP_FIXED, 0))
		return serve(context, exit);
	counter_bump(&context->counters.filled);
	charge(CHARGE_VM_ENTRY, 1);
	return step;
}
