/*
 * A vCPU's TLB and paging-structure cache
 *
 * Used by its vCPU alone, except that the checker reads it while the vCPU stands
 * still. Others invalidate it only by asking: they raise the vCPU's flush
 * generation (mmu/context.h), and the vCPU empties its TLB before its next
 * attempt in guest mode.
 *
 * An entry holds what the walk allowed when it was made: rights that were added
 * to the tables since are found by walking again, rights that were taken away
 * are owed a flush. A write through an entry without `dirty` walks again, because
 * the hardware must set the dirty flag in the tables.
 *
 * The paging-structure cache remembers, for a guest-physical region, the table
 * that the second-level walk reached, so that a miss starts lower down; it is
 * emptied with the TLB.
 */
#ifndef TDPSIM_PAGING_TLB_H
#define TDPSIM_PAGING_TLB_H

#include <tdpsim/types.h>

#define TLB_SETS 128 /* by page number; a power of two */
#define TLB_WAYS 4

struct tlb_entry {
	uint64_t page;	 /* linear address >> 12, of the 4K page; ~0: empty */
	tdp_pfn_t pfn;	 /* of that 4K page */
	tdp_gfn_t gfn;	 /* what it translates to in the guest, for the checker */
	uint64_t root;	 /* pfn of the second-level root it was made from */
	uint8_t level;	 /* of the smallest leaf that mapped it */
	bool writable, executable, user, dirty;
};

struct tlb {
	struct tlb_entry entries[TLB_SETS][TLB_WAYS];
	uint8_t victim[TLB_SETS];
	bool empty; /* nothing was inserted since the last flush: a flush costs nothing */
	uint64_t hits, misses;
};

void tlb_init(struct tlb *tlb);
void tlb_flush(struct tlb *tlb);

/* The entry that allows this access, or NULL: then the access must walk. */
const struct tlb_entry *tlb_lookup(struct tlb *tlb, uint64_t root, uint64_t linear,
				   enum tdp_access access, bool user);
void tlb_insert(struct tlb *tlb, const struct tlb_entry *entry);

/* Calls `visit` for each valid entry until it returns false. */
void tlb_visit(const struct tlb *tlb, bool (*visit)(const struct tlb_entry *entry, void *context),
	       void *context);

#endif
