/*
 * Notes: broken invariants that were met while the VM ran, under check. They are counted, the first
 * of each kind is kept in words, and the work continues; tdp_vm_check() reports them.
 */
#ifndef TDPSIM_MMU_NOTE_H
#define TDPSIM_MMU_NOTE_H

#include <tdpsim/check.h>

#include "platform/lock.h"

#define NOTE_BYTES 448

struct mmu;

struct notes {
	struct spinlock lock; /* over the fields below */
	uint64_t count[TDP_INVARIANTS];
	char first[TDP_INVARIANTS][NOTE_BYTES];
};

/* printf-like. */
__attribute__((format(printf, 3, 4))) void mmu_note(struct mmu *mmu, enum tdp_invariant invariant,
						    const char *format, ...);

/*
 * Takes the notes of a kind: how many there were, and the first in words. A second call finds none.
 */
uint64_t mmu_note_take(struct mmu *mmu, enum tdp_invariant invariant, char first[NOTE_BYTES]);

#endif
