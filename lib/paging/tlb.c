/* A vCPU's TLB: the operations that are not on the path of each access. See tlb.h for the rules. */
#include "paging/tlb.h"

#define WRITE_RIGHTS (TDP_RIGHT(TDP_WRITE, false) | TDP_RIGHT(TDP_WRITE, true))

static void forget_all(struct tlb *tlb)
{
	memset(tlb->entries, 0, sizeof(tlb->entries));
	tlb->epoch = 1;
}

void tlb_init(struct tlb *tlb)
{
	memset(tlb, 0, sizeof(*tlb));
	forget_all(tlb);
	tlb->empty = true;
	walk_cache_init(&tlb->structures);
}

void tlb_flush(struct tlb *tlb)
{
	walk_cache_flush(&tlb->structures);
	if (tlb->empty)
		return;
	tlb->empty = true;
	/* An entry of an epoch 2^32 flushes ago must not count as current. */
	if (++tlb->epoch == 0)
		forget_all(tlb);
}

/*
 * A zap of part of a huge page drops the translations of the whole page, by the leaf that each was
 * made from.
 */
static bool entry_meets(const struct tlb_entry *entry, tdp_gfn_t first, tdp_gfn_t past)
{
	tdp_gfn_t begin = tdp_gfn_round(entry->gfn, entry->level);

	return begin.n < past.n && first.n < begin.n + tdp_level_pages(entry->level);
}

void tlb_flush_range(struct tlb *tlb, tdp_gfn_t first, tdp_gfn_t past)
{
	struct tlb_entry *entry = &tlb->entries[0][0];

	walk_cache_flush_range(&tlb->structures, first.n, past.n);
	if (tlb->empty)
		return;
	for (unsigned int i = 0; i < TLB_SETS * TLB_WAYS; i++, entry++)
		if (entry->epoch == tlb->epoch &&
		    (entry->guest_paging || entry_meets(entry, first, past)))
			entry->epoch = 0;
}

/*
 * The page's own entry first, or there would be two; else the ways are used in turn, which fills
 * the places that a flush has emptied before it evicts.
 */
static struct tlb_entry *choose_entry(struct tlb *tlb, uint64_t page, uint64_t root)
{
	struct tlb_entry *set = tlb->entries[page & (TLB_SETS - 1)];
	uint8_t *victim = &tlb->victim[page & (TLB_SETS - 1)];

	for (unsigned int way = 0; way < TLB_WAYS; way++)
		if (set[way].epoch == tlb->epoch && set[way].page == page && set[way].root == root)
			return &set[way];
	*victim = (uint8_t)((*victim + 1) % TLB_WAYS);
	return &set[*victim];
}

void tlb_insert(struct tlb *tlb, const struct tlb_entry *entry)
{
	struct tlb_entry *chosen = choose_entry(tlb, entry->page, entry->root);

	*chosen = *entry;
	chosen->epoch = tlb->epoch;
	if (!entry->dirty)
		chosen->rights &= (uint8_t)~WRITE_RIGHTS;
	tlb->empty = false;
}

void tlb_insert_walk(struct tlb *tlb, uint64_t root, uint64_t linear, bool guest_paging,
		     const struct tdp_walk_result *result)
{
	struct tlb_entry entry = {
		.page = linear >> TDP_PAGE_SHIFT,
		.pfn = result->pfn,
		.gfn = tdp_gfn(result->gpa >> TDP_PAGE_SHIFT),
		.root = root,
		.level = (uint8_t)result->level,
		.rights = result->rights,
		.dirty = result->dirty,
		.guest_paging = guest_paging,
	};

	tlb_insert(tlb, &entry);
}

void tlb_visit(const struct tlb *tlb, bool (*visit)(const struct tlb_entry *entry, void *context),
	       void *context)
{
	const struct tlb_entry *entry = &tlb->entries[0][0];

	for (unsigned int i = 0; i < TLB_SETS * TLB_WAYS; i++, entry++)
		if (entry->epoch == tlb->epoch && !visit(entry, context))
			return;
}
