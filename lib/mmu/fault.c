/*
 * The fault path, in upstream's order
 *
 * mmu_page_fault() tries the fast path, then serve(). Both go through fault_path(): snapshot of
 * the invalidation sequence, page, mmu_lock, check for staleness, mapping, release. They
 * differ in the two steps that find the page and map it.
 */
#include "mmu/fault.h"

#include <errno.h>

#include "mmu/cpu_log.h"
#include "mmu/gate.h"
#include "mmu/invalidate.h"
#include "mmu/map_empty.h"
#include "mmu/ring.h"
#include "mmu/root.h"
#include "mmu/table_cache.h"
#include "mmu/trace.h"
#include "platform/charge.h"

/*
 * Until 7.1 a read sets U; since 7.2 U says that the linear address was a user's, which the CPU
 * reports only with advanced exit information (__vmx_handle_ept_violation(), 6.12 and 7.3).
 */
static uint64_t error_of_ept_violation(const struct mmu *mmu, uint64_t qualification)
{
	uint64_t error = 0;

	if (mmu->policy.ept_read_is_user == TDP_ON)
		error |= qualification & EPT_VIOLATION_READ ? PFERR_USER : 0;
	else
		error |= qualification & EPT_VIOLATION_USER ? PFERR_USER : 0;
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
	return exit->misconfig ? PFERR_RSVD : error_of_ept_violation(mmu, exit->error_code);
}

static enum tdp_access access_of_error(uint64_t error)
{
	if (error & PFERR_FETCH)
		return TDP_FETCH;
	return error & PFERR_WRITE ? TDP_WRITE : TDP_READ;
}

/*
 * Out of line: a step that only some faults need. The fast path hands it no address of its struct
 * fault, so that the compiler can keep the fields in registers.
 */
#define COLD static __attribute__((noinline, cold))

/* Each route is one function to the compiler. */
#define INLINE __attribute__((always_inline)) static inline

COLD void trace_exit(struct mmu_context *context, const struct tdp_fault *exit)
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

COLD void trace_return(struct mmu_actor *actor, int step)
{
	int number = fault_step_number(actor->mmu, step);

	mmu_trace(actor, &(struct tdp_trace_event){.kind = TDP_TRACE_FAULT_RETURN,
						   .fault_return = {.result = number}});
}

COLD void count_unfixed(struct counters *counters, int step)
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

/* An address beyond the tables of this root, which no slot can hold. */
static inline bool out_of_reach(const struct mmu_context *context, const struct tdp_fault *exit)
{
	return gfn_of_exit(exit).n >= context->role.reach.n;
}

/* Under mmu_lock: has the root been invalidated, or the page changed, since the snapshot? */
INLINE bool fault_stale(const struct fault *fault)
{
	const struct mmu_context *context = fault->context;

	if (root_invalid(context->root.table))
		return true;
	return fault->slot && invalidation_hits(context->actor.mmu, fault->snapshot, fault->gfn);
}

/* A page of a plain map needs no release (source.h). */
INLINE void release_page(const struct fault *fault, int step)
{
	if (fault->slot)
		slot_page_release(fault->slot, fault->gfn, fault->page,
				  step >= STEP_FIXED && fault->page.writable);
}

enum fault_route {
	ROUTE_FAST, /* any obstacle is INVALID, and nothing was done */
	ROUTE_FULL,
};

typedef int page_step(struct fault *fault);
typedef int map_step(struct mmu_shared shared, struct fault *fault);

/*
 * The sequence of every fault that maps something. Its order is the contract: the snapshot comes
 * before the page, so that fault_stale() sees a change in between (N2 of invalidate.h).
 */
INLINE int fault_path(struct fault *fault, enum fault_route route, page_step *page, map_step *map)
{
	struct mmu_context *context = fault->context;
	struct mmu_shared shared;
	int step;

	if (fault->slot)
		fault->snapshot = invalidation_snapshot(context->actor.mmu);
	step = page(fault);
	if (step != STEP_CONTINUE)
		return step;
	shared = mmu_lock_shared(&context->actor);
	if (!fault_stale(fault)) {
		step = map(shared, fault);
	} else if (route == ROUTE_FULL) {
		counter_bump(&context->counters.retries_locked);
		step = STEP_RETRY;
	} else {
		step = STEP_INVALID;
	}
	mmu_unlock_shared(shared);
	if (route == ROUTE_FULL)
		release_page(fault, step);
	return step;
}

/* Allocates the page; level 0 on any failure, whose reason the full route then finds. */
COLD struct mapped_page make_page(struct mmu_context *context, const struct memslot *slot,
				  tdp_gfn_t gfn)
{
	struct source_page page;

	if (slot_page_make(slot, &context->actor.caller, gfn, true, &page))
		return (struct mapped_page){.level = TDP_NOT_MAPPED};
	return (struct mapped_page){.pfn = page.pfn, .level = page.level};
}

/* The page step of the fast path, for a slot with a plain map. */
INLINE int page_of_map(struct fault *fault)
{
	struct mmu_context *context = fault->context;
	const struct mmu *mmu = context->actor.mmu;
	const struct memslot *slot = fault->slot;
	struct mapped_page found;

	if (invalidation_covers(mmu, fault->gfn))
		return STEP_INVALID;
	if (!page_map_find(slot->plain, fault->gfn.n + slot->plain_offset, &found)) {
		found = make_page(context, slot, fault->gfn);
		if (found.level == TDP_NOT_MAPPED)
			return STEP_INVALID;
	}
	if (invalidation_hits(mmu, fault->snapshot, fault->gfn))
		return STEP_INVALID;
	fault->page.pfn = found.pfn;
	fault->page.level = found.level;
	return STEP_CONTINUE;
}

/*
 * The fast path: an empty entry, and a slot with a plain map. Its other conditions hold since the
 * vCPU's role (plain_exits) or the slot (plain) was set up.
 */
INLINE int fault_in_plain_slot(struct mmu_context *context, const struct tdp_fault *exit)
{
	const struct memslots *slots = ptr_load_acquire(context->role.slots);
	struct fault fault = {
		.context = context,
		.gfn = gfn_of_exit(exit),
		.access = exit->error_code & context->plain_exits.fetch ? TDP_FETCH : TDP_READ,
	};

	fault.slot = memslot_find_again(slots, &context->last_slot, fault.gfn);
	if (!fault.slot || !fault.slot->plain)
		return STEP_INVALID;
	fault.descent = descend_to_write(context, fault.gfn);
	return fault_path(&fault, ROUTE_FAST, page_of_map, map_empty);
}

/* The page step of a hole: there is none. */
static inline int no_page(struct fault *fault)
{
	(void)fault;
	return STEP_CONTINUE;
}

static int resolve_from(const struct memslot *slot, struct fault *fault)
{
	struct mmu_actor *actor = &fault->context->actor;
	bool may_wait = slot->memory[MEMORY_SHARED].source->ops->may_wait;
	int err;

	if (may_wait) /* before resolve(), or a release in between would be missed */
		fault->releases = source_releases(actor->mmu->host);
	err = slot_page_resolve(slot, &actor->caller, fault->gfn, fault->access == TDP_WRITE,
				&fault->page);
	return err == -EAGAIN && may_wait ? STEP_WAIT : err;
}

/* The page step of the full route. The host may take long: is the page changing before or after? */
static inline int resolve(struct fault *fault)
{
	const struct mmu *mmu = fault->context->actor.mmu;
	const struct memslot *slot = fault->slot;
	bool early = mmu->policy.early_invalidation_check == TDP_ON;
	int step;

	if (slot->invalid)
		return STEP_RETRY; /* being deleted or moved */
	if (early && invalidation_covers(mmu, fault->gfn))
		return STEP_RETRY;
	/* A write to a read-only slot is an MMIO exit: no page is needed. */
	if (fault->access == TDP_WRITE && slot->read_only)
		return STEP_EMULATE;
	step = resolve_from(slot, fault);
	if (step)
		return step;
	if (early && invalidation_hits(mmu, fault->snapshot, fault->gfn)) {
		slot_page_release(slot, fault->gfn, fault->page, false);
		return STEP_RETRY;
	}
	return STEP_CONTINUE;
}

static inline int handle(struct fault *fault, const struct tdp_fault *exit)
{
	struct mmu_context *context = fault->context;
	int step;

	if (out_of_reach(context, exit))
		return STEP_EMULATE;
	if (fault_may_be_fast(context, fault->error)) {
		step = fault_fast(fault);
		if (step != STEP_INVALID)
			return step;
	}
	step = table_cache_fill(context); /* nothing is allocated under mmu_lock */
	if (step)
		return step;
	if (fault->slot)
		return fault_path(fault, ROUTE_FULL, resolve, fault_map);
	step = fault_hole(fault);
	return step == STEP_CONTINUE ? fault_path(fault, ROUTE_FULL, no_page, fault_map) : step;
}

static inline int handle_and_count(struct fault *fault, const struct tdp_fault *exit)
{
	struct mmu_context *context = fault->context;
	int step = handle(fault, exit);

	if (step == STEP_WAIT)
		return step; /* counted once it is over */
	counter_bump(&context->counters.pf_taken);
	if (mmu_tracing(&context->actor))
		trace_return(&context->actor, step);
	if (__builtin_expect(step == STEP_FIXED, 1))
		counter_bump(&context->counters.pf_fixed);
	else
		count_unfixed(&context->counters, step);
	return step;
}

/* One section covers the slots and the tables (guest/memslot.h). */
static inline int fault_in_section(struct fault *fault, const struct tdp_fault *exit)
{
	struct mmu_context *context = fault->context;
	int step = STEP_INVALID;

	fault->slots = ptr_load_acquire(context->role.slots);
	fault->slot = memslot_find_again(fault->slots, &context->last_slot, fault->gfn);
	if (__builtin_expect((fault->error & PFERR_RSVD) != 0, 0) && !out_of_reach(context, exit))
		step = fault_mmio(fault);
	return step == STEP_INVALID ? handle_and_count(fault, exit) : step;
}

/*
 * S1 of source.h. Away from the checker's gate: the holder of the source may have to pass it
 * before it lets go.
 */
COLD void wait_for_source(struct mmu_actor *actor, uint32_t releases)
{
	gate_leave(actor);
	source_wait(actor->mmu->host, releases);
	gate_enter(actor);
}

INLINE int fault_in_sections(struct mmu_context *context, const struct tdp_fault *exit)
{
	struct mmu_actor *actor = &context->actor;
	struct fault fault;
	int step;

	/* The steps set the rest: to clear it first would cost every fault. */
	fault.context = context;
	fault.gpa = exit->gpa;
	fault.gfn = gfn_of_exit(exit);
	fault.error = error_of_exit(actor->mmu, exit);
	fault.access = access_of_error(fault.error);
	for (;;) {
		mmu_read_begin(actor);
		step = fault_in_section(&fault, exit);
		mmu_read_end(actor);
		if (__builtin_expect(step != STEP_WAIT, 1))
			return step;
		wait_for_source(actor, fault.releases);
	}
}

/* Any exit: first the work that every exit entails, then the fault. */
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
	step = fault_in_sections(context, exit);
	charge(CHARGE_VM_ENTRY, 1);
	return step;
}

static inline bool fast_path_applies(const struct mmu_context *context,
				     const struct tdp_fault *exit)
{
	return (exit->error_code & context->plain_exits.mask) == context->plain_exits.bits &&
	       !exit->misconfig && context->root.table && !out_of_reach(context, exit) &&
	       !table_cache_lacks(context);
}

int mmu_page_fault(struct mmu_context *context, const struct tdp_fault *exit)
{
	int step = STEP_INVALID;

	charge(CHARGE_VM_EXIT, 1);
	if (__builtin_expect(fast_path_applies(context, exit), 1)) {
		mmu_read_begin(&context->actor);
		step = fault_in_plain_slot(context, exit);
		mmu_read_end(&context->actor);
	}
	if (__builtin_expect(step != STEP_FIXED, 0))
		return serve(context, exit);
	counter_bump(&context->counters.filled);
	charge(CHARGE_VM_ENTRY, 1);
	return step;
}
