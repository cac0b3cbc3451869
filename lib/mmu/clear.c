/* Clearing bits of leaves. See clear.h. */
#include "mmu/clear.h"

#include "mmu/change.h"

/* False: the entry had changed; spot->entry is refreshed. */
static inline bool clear_once(struct mmu_held held, struct spot *spot, uint64_t bits)
{
	const struct encoding *e = &held.actor->mmu->encoding;

	if (!held.exclusive)
		return u64_cas_acq_rel(spot->slot, &spot->entry, spot->entry & ~bits);
	if (spte_volatile(e, spot->entry, spot->level))
		spot->entry = u64_and_acq_rel(spot->slot, ~bits);
	else
		u64_store_release(spot->slot, spot->entry & ~bits);
	return true;
}

static inline void clear_bits(struct mmu_held held, struct spot *spot, uint64_t bits, bool observed)
{
	const struct encoding *e = &held.actor->mmu->encoding;

	while (spot_is_leaf(e, spot) && (spot->entry & bits)) {
		if (!clear_once(held, spot, bits))
			continue;
		if (observed)
			entry_report(held.actor, spot, spot->entry & ~bits);
		spot->entry &= ~bits;
	}
}

void entry_clear_bits(struct mmu_held held, struct spot *spot, uint64_t bits)
{
	clear_bits(held, spot, bits, held.actor->observed);
	DCHECK(!spot_is_leaf(&held.actor->mmu->encoding, spot) ||
	       spte_writability_legal(&held.actor->mmu->encoding, spot->entry));
}

/*
 * Clearing in a table of 4K entries without an observer. Under the exclusive lock an entry that one
 * comparison shows not to be volatile (spte_volatile()) is stored plainly; for any other a locked
 * instruction is always right.
 */
struct bulk_clear {
	uint64_t present, bits;
	uint64_t stable_mask,
		stable_bits; /* an entry with these bits under the mask is not volatile */
};

static struct bulk_clear bulk_clear_of(struct mmu_held held, uint64_t bits)
{
	const struct encoding *e = &held.actor->mmu->encoding;
	uint64_t stable = e->write | e->format->dirty;

	if (!e->lockless_age)
		stable |= e->format->accessed;
	return (struct bulk_clear){
		.present = e->mmu_present,
		.bits = bits,
		.stable_bits = stable,
		.stable_mask = stable | e->ad_type_disabled, /* AD_DISABLED is always volatile */
	};
}

static inline void clear_unobserved(const struct bulk_clear *clear, atomic_u64 *entry,
				    bool exclusive)
{
	uint64_t bits = clear->bits, value = u64_load_relaxed(entry);

	while ((value & clear->present) && (value & bits)) {
		if (!exclusive) {
			if (!u64_cas_acq_rel(entry, &value, value & ~bits))
				continue;
		} else if ((value & clear->stable_mask) == clear->stable_bits) {
			u64_store_release(entry, value & ~bits);
		} else {
			u64_and_acq_rel(entry, ~bits);
		}
		return;
	}
}

static void clear_observed(struct mmu_held held, const struct spot *parent, atomic_u64 *entries,
			   unsigned int i, uint64_t bits)
{
	struct spot spot = {
		.slot = &entries[i],
		.entry = u64_load_relaxed(&entries[i]),
		.gfn = tdp_gfn(parent->gfn.n + i),
		.level = TDP_4K,
		.address_space = parent->address_space,
	};

	clear_bits(held, &spot, bits, true);
}

/* The loops are functions of their own, so that their masks stay in registers. */
#define LOOP static __attribute__((noinline))

LOOP void clear_range_shared(struct bulk_clear clear, atomic_u64 *entry, const atomic_u64 *end)
{
	for (; entry < end; entry++)
		clear_unobserved(&clear, entry, false);
}

LOOP void clear_masked_exclusive(struct bulk_clear clear, atomic_u64 *entries, uint64_t mask)
{
	for (; mask; mask &= mask - 1)
		clear_unobserved(&clear, &entries[__builtin_ctzll(mask)], true);
}

void entries_clear_bits(struct mmu_shared shared, const struct spot *parent, atomic_u64 *entries,
			unsigned int from, unsigned int to, uint64_t bits)
{
	if (shared.held.actor->observed)
		for (unsigned int i = from; i < to; i++)
			clear_observed(shared.held, parent, entries, i, bits);
	else
		clear_range_shared(bulk_clear_of(shared.held, bits), &entries[from], &entries[to]);
}

void entries_clear_masked(struct mmu_exclusive exclusive, const struct spot *parent,
			  atomic_u64 *entries, unsigned int from, uint64_t mask, uint64_t bits)
{
	if (exclusive.held.actor->observed)
		for (; mask; mask &= mask - 1)
			clear_observed(exclusive.held, parent, entries,
				       from + (unsigned int)__builtin_ctzll(mask), bits);
	else
		clear_masked_exclusive(bulk_clear_of(exclusive.held, bits), &entries[from], mask);
}
