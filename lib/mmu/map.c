/*
 * Mapping a page that was resolved: the level, the tables above, the leaf. Under the shared lock,
 * after the checks for staleness (fault.c). A lost race costs the guest one more entry: nothing is
 * repeated here (Linux kvm_tdp_mmu_map(), 6.1 and 6.12).
 */
#include "mmu/change.h"
#include "mmu/fault.h"
#include "mmu/flush.h"
#include "mmu/level.h"
#include "mmu/mark.h"
#include "mmu/nx_list.h"
#include "mmu/split.h"
#include "mmu/table_cache.h"
#include "mmu/trace.h"

/* What the kernel prints where a fault has no page (KVM_PFN_NOSLOT). */
#define NO_SLOT_PFN (1ULL << 63)

static void set_goal(struct fault *fault, unsigned int level)
{
	fault->goal = level;
	fault->pfn.n = fault->page.pfn.n & ~(tdp_level_pages(level) - 1);
}

/*
 * Only huge pages and fetches are subject to NX, so that other faults do not pay for the test
 * (nx.h).
 */
static void obey_nx(struct fault *fault)
{
	fault->nx = fault->context->actor.mmu->watched.nx_active;
	fault->huge_disallowed = fault->nx && fault->access == TDP_FETCH;
	if (fault->huge_disallowed)
		set_goal(fault, TDP_4K);
}

static void choose_level(struct fault *fault)
{
	bool small = !fault->slot || fault->slot->log_dirty;

	fault->huge = small ? TDP_4K
			    : mmu_mapping_level(fault->slot, fault->gfn,
						fault->context->actor.mmu->limits.max_level,
						fault->page.level);
	set_goal(fault, fault->huge);
	fault->nx = fault->huge_disallowed = false;
	if (fault->huge > TDP_4K || fault->access == TDP_FETCH)
		obey_nx(fault);
}

/* Before the leaf can be seen: no vCPU may write the page unmarked (D1). */
static void mark_writable(const struct fault *fault, uint64_t spte)
{
	struct mmu_actor *actor = &fault->context->actor;

	if (!fault->slot->log_dirty || !spte_writable(&actor->mmu->encoding, spte))
		return;
	DCHECK(fault->goal == TDP_4K);
	mmu_mark_dirty(actor, fault->slot, fault->gfn);
}

static uint64_t mmio_value(const struct fault *fault, const struct spot *spot)
{
	const struct encoding *e = &fault->context->actor.mmu->encoding;
	uint64_t generation = memslots_generation(fault->slots) & e->mmio_generation_mask;

	return spte_make_mmio(e, spot->gfn, generation);
}

/* Only a fault in a memslot has a page: the fields of an MMIO fault's page hold nothing. */
static uint64_t leaf_value(const struct fault *fault, const struct spot *spot)
{
	struct leaf leaf = {
		.level = fault->goal,
		.pfn = fault->pfn,
		.writable = fault->page.writable,
		.device = fault->page.device,
		.guest_mode = fault->context->role.word & ROLE_GUEST_MODE,
		.no_exec = fault->goal > TDP_4K && fault->nx,
		.old = spot->entry,
	};
	uint64_t spte = spte_make_leaf(&fault->context->actor.mmu->encoding, &leaf);

	mark_writable(fault, spte);
	return spte;
}

/*
 * A table that the leaf replaced may still be in paging-structure caches, and a leaf that was
 * narrowed in TLBs. Until 6.12 upstream made no flush for the latter (fixed by 386d69f9f29b; policy
 * spurious_if_allowed).
 */
static void flush_replaced(const struct fault *fault, const struct spot *spot, uint64_t old,
			   uint64_t new)
{
	struct mmu_actor *actor = &fault->context->actor;
	const struct encoding *e = &actor->mmu->encoding;
	bool narrowed = spte_mmu_writable(e, old) && !spte_mmu_writable(e, new) &&
			actor->mmu->policy.spurious_if_allowed == TDP_ON;

	if (spte_table(e, old, spot->level) || (spte_leaf(e, old, spot->level) && narrowed))
		mmu_flush_range(actor, spot->gfn, tdp_level_pages(spot->level));
}

static int leaf_installed(struct fault *fault, const struct spot *spot, uint64_t new, int step)
{
	struct mmu_actor *actor = &fault->context->actor;

	if (!fault->slot) {
		counter_bump(&fault->context->counters.pf_mmio_spte_created);
		if (mmu_tracing(actor))
			trace_mark_mmio(actor, spot, new);
		return STEP_EMULATE;
	}
	if (mmu_tracing(actor))
		trace_set_spte(actor, spot, new);
	return step;
}

static int install_leaf(struct mmu_shared shared, struct fault *fault, struct spot *spot)
{
	const struct mmu *mmu = fault->context->actor.mmu;
	const struct encoding *e = &mmu->encoding;
	uint64_t old = spot->entry, new;

	/* Another vCPU was here first; a read must not narrow its writable leaf (6.13). */
	if (mmu->policy.spurious_if_allowed == TDP_ON && spte_leaf(e, old, spot->level) &&
	    spte_allows(e, old, fault->access))
		return STEP_SPURIOUS;
	new = fault->slot ? leaf_value(fault, spot) : mmio_value(fault, spot);
	if (new == old) {
		/* A hole goes to the emulator all the same, or the guest would fault for ever. */
		if (fault->slot && mmu->policy.quiet_spurious == TDP_ON)
			return STEP_SPURIOUS;
		return leaf_installed(fault, spot, new, STEP_SPURIOUS);
	}
	if (!entry_set_atomic(shared, spot, new))
		return STEP_RETRY;
	flush_replaced(fault, spot, old, new);
	return leaf_installed(fault, spot, new, STEP_FIXED);
}

static struct table *take_child(const struct fault *fault, const struct spot *spot)
{
	struct table *child = table_cache_take(fault->context);

	u32_init(&child->nx_disallowed, fault->huge_disallowed); /* X1 */
	entry_prepare_table(&fault->context->actor, spot, child);
	return child;
}

/* The bits that the parts of a huge leaf do not inherit (P4 of protect.h). */
static uint64_t dropped_in_split(const struct fault *fault)
{
	const struct mmu *mmu = fault->context->actor.mmu;
	bool by_flag = mmu->policy.dirty_track == TDP_DIRTY_TRACK_DBIT &&
		       !(fault->context->role.word & ROLE_GUEST_MODE);

	/*
	 * A flush is owed from before the slot is published until after the passes. Without the
	 * test a fault that still knows a log which has ended would clear D and nobody would flush.
	 */
	if (!u32_load_acquire(&mmu->logging.flushes_owed))
		return 0;
	/* Where a log begins all set there is no pass, and every page is marked. */
	if (!fault->slot || !fault->slot->log_dirty || !by_flag ||
	    mmu->logging.manual_protect == TDP_MANUAL_PROTECT_ALL_SET)
		return 0;
	return mmu->encoding.dirty;
}

/* One step of the descent: a table in place of a hole or of a huge leaf that is too large. */
static bool extend(struct mmu_shared shared, struct fault *fault, struct spot *spot)
{
	struct mmu_context *context = fault->context;
	const struct mmu *mmu = context->actor.mmu;
	struct table *child;

	if (spot_is_leaf(&mmu->encoding, spot) && mmu->policy.huge_fault == TDP_HUGE_FAULT_ZAP &&
	    !entry_zap_atomic(shared, spot))
		return false;
	child = take_child(fault, spot);
	if (spot_is_leaf(&mmu->encoding, spot)) {
		if (!mmu_split_leaf(shared.held, spot, child, dropped_in_split(fault))) {
			table_free_now(&context->actor.caller, child); /* filled in vain */
			return false;
		}
	} else if (!entry_link_table(shared.held, spot, child)) {
		table_cache_return(context, child);
		return false;
	}
	if (fault->huge_disallowed && fault->huge >= spot->level)
		nx_track(&context->actor, child);
	return true;
}

/* The descent met a hole, a leaf that is too large, or an entry that is busy. */
static bool pass_obstacle(struct mmu_shared shared, struct fault *fault, struct spot *spot)
{
	if (spte_frozen(&fault->context->actor.mmu->encoding, spot->entry))
		return false; /* C2 */
	spot->gfn = tdp_gfn_round(fault->gfn, spot->level);
	return extend(shared, fault, spot);
}

/*
 * The goal lies lower: the region that is mapped here was executed (disallowed_hugepage_adjust()).
 */
static bool lower_goal(struct fault *fault, const struct spot *spot)
{
	const struct mmu *mmu = fault->context->actor.mmu;
	tdp_pfn_t table = spte_pfn(spot->entry);

	if (!fault->nx || !spot_is_table(&mmu->encoding, spot) ||
	    !frame_is_table(mmu->host, table) || !nx_disallows(table_of(mmu->host, table)))
		return false;
	set_goal(fault, fault->goal - 1);
	return true;
}

/*
 * Descends from the root in one pass and finds or makes each table (T1, C2). If another actor
 * removes a table below, the fault ends and the guest retries.
 */
static int walk_and_install(struct mmu_shared shared, struct fault *fault)
{
	struct mmu_context *context = fault->context;
	const struct mmu *mmu = context->actor.mmu;
	const struct encoding *e = &mmu->encoding;
	atomic_u64 *table = frame_address(mmu->host, context->root.pfn);
	unsigned int shift = 9 * (role_level(context->role.word) - 1);
	unsigned int last = 9 * (fault->goal - 1);
	struct spot spot = {
		.level = role_level(context->role.word),
		.address_space = role_address_space(context->role.word),
	};

	for (;; shift -= 9, spot.level--) {
		spot.slot = table + (fault->gfn.n >> shift & (TABLE_ENTRIES - 1));
		spot.entry = u64_load_acquire(spot.slot);
		if (shift == last) {
			if (fault->goal == TDP_4K || !lower_goal(fault, &spot))
				break;
			last -= 9;
		}
		if (__builtin_expect(!spte_table_above_4k(e, spot.entry), 0) &&
		    !pass_obstacle(shared, fault, &spot))
			return STEP_RETRY;
		if (!table_is_linked(mmu->host, spot.entry, fault->gfn, spot.level))
			return STEP_RETRY;
		table = table_linked(mmu->host, spot.entry);
	}
	if (spte_frozen(e, spot.entry))
		return STEP_RETRY;
	spot.gfn = tdp_gfn(fault->gfn.n >> shift << shift);
	return install_leaf(shared, fault, &spot);
}

int fault_map(struct mmu_shared shared, struct fault *fault)
{
	struct mmu_actor *actor = &fault->context->actor;

	choose_level(fault);
	if (mmu_tracing(actor)) {
		uint64_t low = fault->gfn.n & (tdp_level_pages(fault->goal) - 1);

		trace_spte_requested(actor, fault->gfn,
				     fault->slot ? fault->pfn.n | low : NO_SLOT_PFN, fault->goal);
	}
	/* The flush for a replaced table is made before the fault's RCU section ends (flush.h). */
	return walk_and_install(shared, fault);
}
