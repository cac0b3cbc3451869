/*
 * A vCPU's TLB and paging-structure cache
 *
 * Used by its vCPU alone, except that the checker reads it while the vCPU stands still. Other
 * actors invalidate it only by request: they raise the vCPU's flush generation (mmu/context.h), and
 * the vCPU empties its TLB before its next attempt in guest mode.
 *
 * An entry holds the rights that the walk granted when it was made. Rights that were added to the
 * tables since are found by walking again; rights that were taken away are owed a flush. A write
 * through an entry without `dirty` walks again, because the hardware must set the dirty flag in the
 * tables; such an entry therefore holds no right to write. Rights depend on the guest's paging
 * controls too (CR0.WP, CR4.SMEP, CR4.SMAP with EFLAGS.AC): a change of these flushes.
 *
 * The paging-structure cache (walk_cache.h) is emptied with the TLB, or loses the same range.
 * Emptying is one addition: an entry of an earlier epoch does not count.
 */
#ifndef TDPSIM_PAGING_TLB_H
#define TDPSIM_PAGING_TLB_H

#include <tdpsim/types.h>
#include <tdpsim/walk.h>

#include "paging/walk_cache.h"

#define TLB_SETS 128 /* by page number; a power of two */
#define TLB_WAYS 4

struct tlb_entry {
	uint64_t page;	/* linear address >> 12, of the 4K page */
	tdp_pfn_t pfn;	/* of that 4K page */
	tdp_gfn_t gfn;	/* the guest frame of the page, for the checker */
	uint64_t root;	/* pfn of the second-level root it was made from */
	uint32_t epoch; /* set by tlb_insert(); the entry is valid while it equals the TLB's */
	uint8_t level;	/* of the smallest leaf that mapped it */
	uint8_t rights; /* TDP_RIGHT() of each access that needs no walk */
	bool dirty;
	bool guest_paging; /* made through the guest's tables too */
};

struct tlb {
	struct tlb_entry entries[TLB_SETS][TLB_WAYS];
	uint8_t victim[TLB_SETS];
	uint32_t epoch; /* never 0 */
	bool empty;	/* no entry was inserted since the last flush: a flush costs nothing */
	uint64_t hits, misses;
	struct walk_cache structures; /* for the walker; see walker.h */
};

void tlb_init(struct tlb *tlb);
void tlb_flush(struct tlb *tlb);

/*
 * Drops the translations of [first, past), and all that were made through the guest's tables,
 * because an entry does not say where those lie.
 */
void tlb_flush_range(struct tlb *tlb, tdp_gfn_t first, tdp_gfn_t past);

static inline bool tlb_entry_allows(const struct tlb_entry *entry, enum tdp_access access,
				    bool user)
{
	return entry->rights & TDP_RIGHT(access, user);
}

/* The entry that allows this access; NULL: the access must walk. */
static inline const struct tlb_entry *tlb_lookup(struct tlb *tlb, uint64_t root, uint64_t linear,
						 enum tdp_access access, bool user)
{
	uint64_t page = linear >> TDP_PAGE_SHIFT;
	const struct tlb_entry *set = tlb->entries[page & (TLB_SETS - 1)];

	for (unsigned int way = 0; way < TLB_WAYS; way++) {
		const struct tlb_entry *entry = &set[way];

		if (entry->page != page || entry->epoch != tlb->epoch || entry->root != root)
			continue;
		if (!tlb_entry_allows(entry, access, user))
			break; /* there is one entry at most for a page and a root */
		tlb->hits++;
		return entry;
	}
	tlb->misses++;
	return NULL;
}

/* Replaces the TLB's entry for the page; without `dirty`, rights to write are left out. */
void tlb_insert(struct tlb *tlb, const struct tlb_entry *entry);

/*
 * Inserts the result of a walk of `linear` that ended as TDP_WALK_DONE; `guest_paging` if the
 * guest's tables were walked.
 */
void tlb_insert_walk(struct tlb *tlb, uint64_t root, uint64_t linear, bool guest_paging,
		     const struct tdp_walk_result *result);

/* Calls `visit` for each valid entry until it returns false. */
void tlb_visit(const struct tlb *tlb, bool (*visit)(const struct tlb_entry *entry, void *context),
	       void *context);

#endif
