/* Compares a vCPU's caches, and each of its accesses, with the tables. See watch.h. */
#include "vm/watch.h"

#include <errno.h>
#include <inttypes.h>

#include "host/age.h"
#include "host/frame.h"
#include "mmu/flush.h"

#define WRITE_RIGHTS (TDP_RIGHT(TDP_WRITE, false) | TDP_RIGHT(TDP_WRITE, true))

struct watch {
	bool suspicious;	  /* `suspect` is set, for watch_left() to look at again */
	struct tlb_entry suspect; /* the last attempt used it, and the tables differed */
	uint64_t suspect_tracked;
	uint64_t ages[TLB_SETS * TLB_WAYS]; /* W1: age of each TLB entry's frame at its walk */
	/* W3: for each TLB entry, how many ageings had ended (tracked.h) before its walk */
	uint64_t tracked[TLB_SETS * TLB_WAYS];
	uint64_t tracked_before; /* the same for the walk that is under way */
};

bool watch_will_flush(const struct tdp_vcpu *vcpu)
{
	const struct mmu_context *context = &vcpu->context;

	return vcpu->no_tlb || !context->root.table ||
	       u32_load_seq_cst(&context->requests) & REQUEST_FREE_OBSOLETE_ROOTS ||
	       u64_load_seq_cst(&context->flush_generation) != context->flushed;
}

/* Walks for `gfn` now. The result has no rights where the tables map nothing. */
static struct tdp_walk_result walk_now(const struct tdp_vcpu *vcpu, tdp_gfn_t gfn)
{
	static const enum tdp_access accesses[] = {TDP_READ, TDP_FETCH};
	struct tdp_walk_result result = {.outcome = TDP_WALK_VIOLATION};

	/* A page may be readable or execute-only; either access finds all of its rights. */
	for (unsigned int i = 0; i < 2 && result.outcome != TDP_WALK_DONE; i++) {
		struct tdp_walk_request request = {
			.address = gfn.n << TDP_PAGE_SHIFT,
			.access = accesses[i],
			.user = true,
			.no_update = true,
		};

		walk_second(vcpu->walker, NULL, vcpu->context.root.pfn, &request, &result);
	}
	return result;
}

/*
 * Has the leaf of this gfn been aged since the walk began? With guest paging the gfn is
 * known only after the walk, so an ageing of any leaf counts.
 */
static bool aged_since(const struct tdp_vcpu *vcpu, const struct tlb_entry *entry, uint64_t ended)
{
	const struct tracked *tracked = &vcpu->vm->mmu.checks.tracked;

	if (entry->guest_paging)
		return u64_load_acquire(&tracked->all.begun) != ended;
	return tracked_begun(tracked, vcpu->smm ? 1 : 0, entry->gfn) != ended;
}

/* The entry as it was before ageing, and as a fast page fault will restore it. */
static uint64_t rejuvenated(const struct encoding *e, uint64_t spte)
{
	if (spte_access_tracked(e, spte))
		spte = spte_restore(e, spte);
	return spte_mmu_writable(e, spte) ? spte | e->write : spte;
}

/*
 * W3: can ageing explain why the tables allow less than the TLB entry? Only if the leaf
 * still maps the same frame, only for rights that a fast page fault will restore, and only
 * if ageing happened after the entry's walk began. Without a watch ageings are not counted.
 */
static bool lost_by_ageing(const struct tdp_vcpu *vcpu, const struct tlb_entry *entry,
			   uint64_t tracked, const struct tdp_walk_result *now)
{
	const struct encoding *e = &vcpu->vm->mmu.encoding;
	uint64_t within, rights;

	if (e->hardware_ad || !spte_leaf(e, now->entry, now->entry_level))
		return false;
	if (vcpu->watch && !aged_since(vcpu, entry, tracked))
		return false;
	within = entry->gfn.n & (tdp_level_pages(now->entry_level) - 1);
	rights = rejuvenated(e, now->entry) ^ vcpu->walker->forbidding;
	return spte_pfn(now->entry).n + within == entry->pfn.n &&
	       !(entry->rights & ~second_rights(vcpu->walker, rights, true));
}

static const char *judge(const struct tdp_vcpu *vcpu, const struct tlb_entry *entry,
			 uint64_t tracked)
{
	struct tdp_walk_result now = walk_now(vcpu, entry->gfn);
	bool allowed = now.outcome == TDP_WALK_DONE && now.pfn.n == entry->pfn.n &&
		       !(entry->rights & ~now.rights);

	if (!allowed && lost_by_ageing(vcpu, entry, tracked, &now))
		return NULL;
	if (now.outcome != TDP_WALK_DONE)
		return "the tables map nothing there any more";
	if (now.pfn.n != entry->pfn.n)
		return "the tables map another frame";
	if (entry->rights & ~now.rights)
		return "the tables allow less";
	/* Until 6.12, of two racing faults the second made a clean leaf, without a flush. */
	if ((entry->rights & WRITE_RIGHTS) && !now.dirty && vcpu->vm->mmu.encoding.dirty_at_birth)
		return "it allows writes and the leaf's dirty flag is clear";
	return NULL;
}

int watch_create(struct tdp_vcpu *vcpu)
{
	if (!vcpu->vm->config.check)
		return 0;
	vcpu->watch =
		host_allocate_aligned(vcpu->vm->host, _Alignof(struct watch), sizeof(*vcpu->watch));
	return vcpu->watch ? 0 : -ENOMEM;
}

void watch_destroy(struct tdp_vcpu *vcpu)
{
	host_release(vcpu->vm->host, vcpu->watch, sizeof(*vcpu->watch));
	vcpu->watch = NULL;
}

static bool ages_kept(const struct tdp_vcpu *vcpu, tdp_pfn_t pfn)
{
	const struct tdp_host *host = vcpu->vm->host;

	return host->config.check && !frame_is_table(host, pfn);
}

static size_t index_of(const struct tdp_vcpu *vcpu, const struct tlb_entry *entry)
{
	return (size_t)(entry - &vcpu->context.tlb.entries[0][0]);
}

static uint64_t *age_of(struct tdp_vcpu *vcpu, const struct tlb_entry *entry)
{
	return &vcpu->watch->ages[index_of(vcpu, entry)];
}

static uint64_t tracked_of(const struct tdp_vcpu *vcpu, const struct tlb_entry *entry)
{
	return vcpu->watch ? vcpu->watch->tracked[index_of(vcpu, entry)] : 0;
}

const char *watch_entry(const struct tdp_vcpu *vcpu, const struct tlb_entry *entry)
{
	return judge(vcpu, entry, tracked_of(vcpu, entry));
}

static void note(const struct tdp_vcpu *vcpu, const struct tlb_entry *entry, const char *reason)
{
	struct mmu *mmu = &vcpu->vm->mmu;
	char history[HISTORY_BYTES];

	history_describe(&mmu->checks.history, vcpu->smm ? 1 : 0, entry->gfn, history);
	mmu_note(mmu, TDP_INVARIANT_STALE_ACCESS,
		 "vCPU %u used gfn 0x%" PRIx64 " as pfn 0x%" PRIx64 ", rights 0x%x: %s%s", vcpu->id,
		 entry->gfn.n, entry->pfn.n, entry->rights, reason, history);
}

static void suspect(struct tdp_vcpu *vcpu, const struct tlb_entry *entry)
{
	if (!watch_entry(vcpu, entry))
		return;
	vcpu->watch->suspicious = true;
	vcpu->watch->suspect = *entry;
	vcpu->watch->suspect_tracked = tracked_of(vcpu, entry);
}

void watch_hit(struct tdp_vcpu *vcpu, const struct tlb_entry *entry)
{
	if (ages_kept(vcpu, entry->pfn) &&
	    frame_age(vcpu->vm->host, entry->pfn) != *age_of(vcpu, entry))
		note(vcpu, entry, "the frame was freed after the walk that found it"); /* W1 */
	else
		suspect(vcpu, entry);
}

/* The entry that tlb_insert_walk() has just made. */
static struct tlb_entry *inserted(struct tdp_vcpu *vcpu, uint64_t page)
{
	struct tlb *tlb = &vcpu->context.tlb;
	struct tlb_entry *set = tlb->entries[page & (TLB_SETS - 1)];

	for (unsigned int way = 0; way < TLB_WAYS; way++)
		if (set[way].page == page && set[way].epoch == tlb->epoch &&
		    set[way].root == vcpu->context.root.pfn.n)
			return &set[way];
	return NULL;
}

void watch_before_walk(struct tdp_vcpu *vcpu, const struct tdp_access_request *request)
{
	const struct tracked *tracked = &vcpu->vm->mmu.checks.tracked;

	vcpu->watch->tracked_before =
		vcpu->paging.mode != TDP_PAGING_NONE
			? u64_load_acquire(&tracked->all.ended)
			: tracked_ended(tracked, vcpu->smm ? 1 : 0,
					tdp_gfn(request->address >> TDP_PAGE_SHIFT));
}

void watch_walk(struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
		const struct tdp_walk_result *walk)
{
	struct tlb_entry *entry;

	if (walk->outcome != TDP_WALK_DONE) {
		if (walk->entry == FRAME_POISON)
			mmu_note(&vcpu->vm->mmu, TDP_INVARIANT_LIFETIME,
				 "vCPU %u walked into a freed table at gpa 0x%" PRIx64, vcpu->id,
				 walk->gpa);
		return;
	}
	entry = inserted(vcpu, request->address >> TDP_PAGE_SHIFT);
	CHECK(entry);
	vcpu->watch->tracked[index_of(vcpu, entry)] = vcpu->watch->tracked_before;
	if (ages_kept(vcpu, entry->pfn)) {
		*age_of(vcpu, entry) = frame_age(vcpu->vm->host, entry->pfn);
		if (!frame_is_out(vcpu->vm->host, entry->pfn)) {
			note(vcpu, entry, "the host has not allocated the frame"); /* W1 */
			return;
		}
	}
	suspect(vcpu, entry);
}

void watch_left(struct tdp_vcpu *vcpu)
{
	struct mmu_exclusive exclusive;
	const char *reason = NULL;

	if (!vcpu->watch->suspicious)
		return;
	vcpu->watch->suspicious = false;
	exclusive = mmu_lock_exclusive(&vcpu->context.actor);
	/* In this order: if no flush is owed when we look, it has already raised the generation. */
	if (!u32_load_acquire(&vcpu->vm->mmu.logging.flushes_owed) && !watch_will_flush(vcpu))
		reason = judge(vcpu, &vcpu->watch->suspect, vcpu->watch->suspect_tracked); /* W2 */
	mmu_unlock_exclusive(exclusive);
	if (reason)
		note(vcpu, &vcpu->watch->suspect, reason);
}
