/* Raw writes of entries. See entry.h. */
#include "mmu/entry.h"

#include "platform/wait.h"

uint64_t entry_freeze(const struct encoding *e, atomic_u64 *entry)
{
	struct waiting waiting = {0};

	for (;;) {
		uint64_t old = u64_exchange_acq_rel(entry, e->frozen);

		if (!spte_frozen(e, old))
			return old;
		platform_pause(&waiting); /* C2: its owner is about to thaw it */
	}
}

uint64_t entry_freeze_closed(const struct encoding *e, atomic_u64 *entry)
{
	uint64_t old = u64_load_relaxed(entry);

	if (spte_present(e, old) || spte_frozen(e, old))
		return entry_freeze(e, entry);
	u64_store_release(entry, e->frozen);
	return old;
}

#define LINE_ENTRIES (CACHE_LINE / sizeof(atomic_u64))

/* The bits in which some entry of a line differs from a value. */
static inline uint64_t line_differs(const atomic_u64 *line, uint64_t value)
{
	uint64_t bits = 0;

#pragma GCC unroll 8
	for (unsigned int i = 0; i < LINE_ENTRIES; i++)
		bits |= u64_load_relaxed(&line[i]) ^ value;
	return bits;
}

unsigned int entries_store_over_leaves(const struct encoding *e, atomic_u64 *entries,
				       unsigned int from, unsigned int to, uint64_t new)
{
	const uint64_t present = e->mmu_present;
	unsigned int leaves = 0;

	for (unsigned int i = from, past; i < to; i = past) {
		past = (i / LINE_ENTRIES + 1) * LINE_ENTRIES;
		if (past > to)
			past = to;
		if (past - i == LINE_ENTRIES && !(line_differs(&entries[i], 0) & present))
			continue;
		for (; i < past; i++) {
			if (!(u64_load_relaxed(&entries[i]) & present))
				continue;
			u64_store_release(&entries[i], new);
			leaves++;
		}
	}
	return leaves;
}

/* A cache line of entries at a time: in a closed tree most lines are all holes. */
unsigned int entries_freeze_leaves(const struct encoding *e, atomic_u64 *entries, bool closed)
{
	unsigned int leaves = 0;

	for (atomic_u64 *line = entries; line < entries + TABLE_ENTRIES; line += LINE_ENTRIES) {
		bool holes = closed && line_differs(line, e->nonpresent) == 0;

		for (unsigned int i = 0; i < LINE_ENTRIES; i++) {
			if (holes)
				u64_store_release(&line[i], e->frozen);
			else
				leaves += spte_present(e, closed ? entry_freeze_closed(e, &line[i])
								 : entry_freeze(e, &line[i]));
		}
	}
	return leaves;
}
