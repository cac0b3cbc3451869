/* Notes of broken invariants. See note.h. */
#include "mmu/note.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mmu/mmu.h"

void mmu_note(struct mmu *mmu, enum tdp_invariant invariant, const char *format, ...)
{
	struct notes *notes = &mmu->checks.notes;
	va_list arguments;

	spinlock_lock(&notes->lock);
	if (notes->count[invariant]++ == 0) {
		va_start(arguments, format);
		vsnprintf(notes->first[invariant], NOTE_BYTES, format, arguments);
		va_end(arguments);
	}
	spinlock_unlock(&notes->lock);
}

uint64_t mmu_note_take(struct mmu *mmu, enum tdp_invariant invariant, char first[NOTE_BYTES])
{
	struct notes *notes = &mmu->checks.notes;
	uint64_t count;

	spinlock_lock(&notes->lock);
	count = notes->count[invariant];
	notes->count[invariant] = 0;
	memcpy(first, notes->first[invariant], NOTE_BYTES);
	spinlock_unlock(&notes->lock);
	return count;
}
