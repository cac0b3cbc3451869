/*
 * Notes: what must not be and was met while the VM ran, under check. It is counted,
 * the first of its kind is kept in words, and the work goes on as if nothing had
 * been; tdp_vm_check() tells.
 */
#ifndef TDPSIM_MMU_NOTE_H
#define TDPSIM_MMU_NOTE_H

#include <tdpsim/check.h>

#include "platform/lock.h"

#define NOTE_BYTES 448

struct mmu;

struct notes {
	struct spinlock lock; /* over all that follows */
	uint64_t count[TDP_INVARIANTS];
	char first[TDP_INVARIANTS][NOTE_BYTES];
};

/* printf-like. */
__attribute__((format(printf, 3, 4))) void mmu_note(struct mmu *mmu, enum tdp_invariant invariant,
						    const char *format, ...);

/* Hands over what was noted of a kind, at most once: how often, and the first in words. */
uint64_t mmu_note_take(struct mmu *mmu, enum tdp_invariant invariant, char first[NOTE_BYTES]);

#endif
