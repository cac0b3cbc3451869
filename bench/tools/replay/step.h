/*
 * One change of one entry: by a fault or a call under mmu_lock (kvm_tdp_mmu_spte_changed),
 * or a repair by the fast path (fast_page_fault).
 */
#ifndef REPLAY_STEP_H
#define REPLAY_STEP_H

#include "stretch.h"

struct entry_step {
	unsigned int as_id, level;
	uint64_t gfn, old_spte, new_spte;
};

/* False if the event changes no entry. */
bool step_of(const struct stretch *stretch, const struct event *event, struct entry_step *step);
/* Are they steps of the same entry? */
bool step_same(const struct entry_step *a, const struct entry_step *b);
/* The same of two kvm_tdp_mmu_spte_changed events. */
bool step_same_entry(const struct event *a, const struct event *b);
/* What a repair left, whatever became of the entry before the repair's line was printed. */
uint64_t step_repaired(const struct stretch *stretch, const struct event *event);
/* Can what the repair's line prints be what became of the entry afterwards? */
bool step_passes(const struct stretch *stretch, const struct event *repair);
/*
 * Does the event write a leaf again for the same page, without its dirty flag? Of two faults
 * on one page the second finds what the first one mapped. Two faults one after the other
 * may or may not do that.
 */
bool step_rewrites(const struct stretch *stretch, const struct event *event);
/* Can an entry's old value be what another change left? The CPU sets flags and clears none. */
bool step_follows(const struct stretch *stretch, uint64_t new_spte, uint64_t old_spte);

#endif
