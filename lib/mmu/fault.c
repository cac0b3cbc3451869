/* The fault path's order of steps. See fault.h. */
#include "mmu/fault.h"

#include <errno.h>

#include "guest/backing.h"
#include "mmu/cpu_log.h"
#include "mmu/invalidate.h"
#include "mmu/ring.h"
#include "mmu/root.h"
#include "mmu/trace.h"
#include "platform/charge.h"

int fault_step_number(const struct mmu *mmu, int step)
{
	if (step < 0)
		return step;
	/* Until 6.11 there was no WRITE_PROTECTED. */
	if (mmu->baseline == TDP_BASELINE_6_1 && step > STEP_WRITE_PROTECTED)
		return step - 1;
	return step;
}

/* SDM vol. 3, table 28-7; vmx_handle_ept_violation(), 6.12. */
static uint64_t error_of_ept_violation(uint64_t qualification)
{
	uint64_t error = 0;

	error |= qualification & 1 ? PFERR_USER : 0;
	error |= qualification & 2 ? PFERR_WRITE : 0;
	error |= qualification & 4 ? PFERR_FETCH : 0;
	error |= qualification & 0x78 ? PFERR_PRESENT : 0;
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

static void trace_exit(struct mmu_context *context, const struct tdp_fault *exit)
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

/*
 * What only some faults need works on a copy of struct fault. Where nobody else is
 * handed the address of the fault itself, the compiler keeps it in registers.
 */
#define ASIDE static __attribute__((noinline))

ASIDE int aside_mmio(struct fault fault)
{
	return fault_mmio(&fault);
}

ASIDE int aside_fast(struct fault fault)
{
	return fault_fast(&fault);
}

ASIDE int aside_hole(struct fault fault)
{
	return fault_hole(&fault);
}

ASIDE int aside_map(struct mmu_shared shared, struct fault fault)
{
	return fault_map(shared, &fault);
}

static inline int resolve_page(struct fault *fault)
{
	struct host_caller *caller = &fault->context->actor.caller;
	bool write = fault->access == TDP_WRITE;
	struct tdp_backing_page page;
	int err;

	/* A write to a read-only slot is an MMIO exit: the host is not asked. */
	if (write && fault->slot->read_only)
		return STEP_EMULATE;
	err = backing_resolve(fault->slot, caller, fault->gfn, write, &page);
	if (err)
		return err;
	fault->page = page;
	return STEP_CONTINUE;
}

static inline void release_page(const struct fault *fault, int step)
{
	if (fault->slot)
		backing_release(fault->slot, fault->gfn, fault->page,
				step >= STEP_FIXED && fault->page.writable);
}

/*
 * The order is the contract: the snapshot before the host is asked, so that a
 * change of the page in between is seen by fault_stale() (N2 of invalidate.h).
 */
static inline int resolve(struct fault *fault)
{
	const struct mmu *mmu = fault->context->actor.mmu;
	bool early = mmu->policy.early_invalidation_check == TDP_ON;
	int step;

	fault->snapshot = invalidation_snapshot(mmu);
	if (!fault->slot)
		return aside_hole(*fault);
	if (fault->slot->invalid)
		return STEP_RETRY; /* being deleted or moved */
	if (early && invalidation_hits(mmu, fault->snapshot, fault->gfn))
		return STEP_RETRY;
	step = resolve_page(fault);
	if (step == STEP_CONTINUE && early && invalidation_hits(mmu, fault->snapshot, fault->gfn)) {
		release_page(fault, STEP_RETRY);
		return STEP_RETRY;
	}
	return step;
}

/* Under mmu_lock: was the root invalidated, or the page changed, since we looked? */
static inline bool fault_stale(const struct fault *fault)
{
	const struct mmu_context *context = fault->context;

	if (root_invalid(context->root))
		return true;
	return fault->slot && invalidation_hits(context->actor.mmu, fault->snapshot, fault->gfn);
}

static inline int map_under_lock(struct fault *fault)
{
	struct mmu_actor *actor = &fault->context->actor;
	struct mmu_shared shared = mmu_lock_shared(actor);
	bool stale = fault_stale(fault);
	int step = stale ? STEP_RETRY : fault_fill(shared, fault);

	if (step == STEP_INVALID)
		step = aside_map(shared, *fault);
	mmu_unlock_shared(shared);
	if (stale)
		counter_bump(&fault->context->counters.retries_locked);
	return step;
}

/* An address that no table of this root translates is nobody's memory. */
static inline bool out_of_reach(const struct fault *fault)
{
	return fault->gfn.n >= fault->context->reach.n;
}

static inline int handle(struct fault *fault)
{
	int step;

	if (out_of_reach(fault))
		return STEP_EMULATE;
	if (fault_may_be_fast(fault)) {
		step = aside_fast(*fault);
		if (step != STEP_INVALID)
			return step;
	}
	step = table_cache_fill(fault->context);
	if (step)
		return step;
	step = resolve(fault);
	if (step != STEP_CONTINUE)
		return step;
	step = map_under_lock(fault);
	release_page(fault, step);
	return step;
}

static inline void count_result(struct counters *counters, int step)
{
	switch (step) {
	case STEP_FIXED:
		counter_bump(&counters->pf_fixed);
		break;
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

static inline int handle_and_count(struct fault *fault)
{
	struct mmu_context *context = fault->context;
	struct mmu_actor *actor = &context->actor;
	int step;

	counter_bump(&context->counters.pf_taken);
	step = handle(fault);
	if (mmu_tracing(actor)) {
		int number = fault_step_number(actor->mmu, step);

		mmu_trace(actor, &(struct tdp_trace_event){.kind = TDP_TRACE_FAULT_RETURN,
							   .fault_return = {.result = number}});
	}
	count_result(&context->counters, step);
	return step;
}

static inline int fault_in_section(struct fault *fault)
{
	struct mmu_context *context = fault->context;
	int step = STEP_INVALID;

	fault->slots = ptr_load_acquire(context->slots);
	fault->slot = memslot_find_again(fault->slots, &context->last_slot, fault->gfn);
	if ((fault->error & PFERR_RSVD) && !out_of_reach(fault))
		step = aside_mmio(*fault);
	return step == STEP_INVALID ? handle_and_count(fault) : step;
}

int mmu_page_fault(struct mmu_context *context, const struct tdp_fault *exit)
{
	struct mmu_actor *actor = &context->actor;
	uint64_t error = error_of_exit(actor->mmu, exit);
	struct fault fault = {
		.context = context,
		.gpa = exit->gpa,
		.gfn = tdp_gfn(exit->gpa >> TDP_PAGE_SHIFT),
		.error = error,
		.access = access_of_error(error),
	};
	int step;

	charge(CHARGE_VM_EXIT, 1);
	counter_bump(&context->counters.exits);
	cpu_log_drain(actor, context); /* first of all, as vmx_handle_exit() */
	if (mmu_tracing(actor))
		trace_exit(context, exit);
	if (!context->root || !vcpu_ring_has_room(context))
		return STEP_RETRY;
	mmu_read_begin(actor);
	step = fault_in_section(&fault);
	mmu_read_end(actor);
	charge(CHARGE_VM_ENTRY, 1);
	return step;
}
