/* Splitting a huge leaf in place (Linux tdp_mmu_split_huge_page(), 6.2 on). */
#include "mmu/split.h"

#include <errno.h>

#include "mmu/trace.h"
#include "platform/charge.h"

/* Plain writes: nobody sees the table before it is linked (table.h, T1). */
static void fill_from_huge(const struct mmu *mmu, const struct spot *spot, struct table *table)
{
	atomic_u64 *entries = table_entries(mmu->host, table);

	platform_lines(entries, TDP_PAGE_SIZE, ENGINE_WRITE);
	for (unsigned int i = 0; i < TABLE_ENTRIES; i++)
		u64_init(&entries[i], spte_small_from_huge(&mmu->encoding, spot->entry, spot->level,
							   i, mmu->nx_active));
}

bool mmu_split_leaf(struct mmu_held held, struct spot *spot, struct table *table)
{
	uint64_t huge = spot->entry;
	bool linked;

	fill_from_huge(held.actor->mmu, spot, table);
	linked = entry_link_table(held, spot, table);
	if (linked)
		mmu_gauge(held.actor, gauge_of_leaves(spot->level - 1), TABLE_ENTRIES);
	if (mmu_tracing(held.actor))
		trace_split(held.actor, spot, huge, linked ? 0 : -EBUSY);
	return linked;
}
