/*
 * Lookups under a vCPU's root, of one frame or of many in one RCU section: the public
 * functions over mmu/lookup.h. The vCPU's own reference keeps the root alive, the section
 * keeps the tables below it.
 *
 * Within a section a lookup tries the table where the last one ended before it descends
 * from the root. It may use a leaf that it finds there: the call reached that table, so the
 * slot held the leaf at some moment during the call, even if the table has been unlinked
 * since. Any other entry may come from tearing the table down, so the lookup then descends
 * from the root.
 */
#include <errno.h>

#include "mmu/descent.h"
#include "mmu/gate.h"
#include "mmu/lookup.h"
#include "vm/vm.h"

/* The table in which the last lookup of this section ended. */
struct last_table {
	atomic_u64 *entries;
	unsigned int level; /* of its entries */
	tdp_gfn_t first;    /* frame of entry 0 */
};

static inline struct tdp_entry page_entry(tdp_gfn_t gfn, uint64_t value)
{
	return (struct tdp_entry){
		.gfn = gfn,
		.level = TDP_4K,
		.value = value,
		.present = true,
		.leaf = true,
		.pfn = spte_pfn(value),
	};
}

static inline struct tdp_entry snapshot(const struct encoding *e, tdp_gfn_t gfn, uint64_t value,
					unsigned int level)
{
	bool present = spte_present(e, value);

	if (__builtin_expect(present && level == TDP_4K, 1))
		return page_entry(gfn, value);
	return (struct tdp_entry){
		.gfn = tdp_gfn_round(gfn, level),
		.level = level,
		.value = value,
		.present = present,
		.leaf = spte_leaf(e, value, level),
		.pfn = present ? spte_pfn(value) : tdp_pfn(0),
	};
}

/*
 * Looks frames of gfns[0..count) up in the last table, until one has no leaf there. Returns
 * how many it found. The loop reads its invariants from registers.
 */
__attribute__((always_inline)) static inline size_t look_along(const struct mmu *mmu,
							       const struct last_table *last,
							       unsigned int level,
							       const tdp_gfn_t *gfns, size_t count,
							       struct tdp_entry *entries)
{
	const uint64_t leaf =
		mmu->encoding.mmu_present | (level > TDP_4K ? mmu->encoding.format->large : 0);
	const uint64_t stray = mmu->host->config.check ? FRAME_POISON : 0;
	const uint64_t within = tdp_level_pages(level + 1) - 1;
	const unsigned int shift = 9 * (level - 1);
	size_t i;

	for (i = 0; i < count; i++) {
		uint64_t at = gfns[i].n - last->first.n, value;

		if (at > within)
			break;
		value = u64_load_acquire(last->entries + (at >> shift));
		if ((value & leaf) != leaf || value == stray)
			break;
		entries[i] = (struct tdp_entry){
			.gfn = tdp_gfn(gfns[i].n >> shift << shift),
			.level = level,
			.value = value,
			.present = true,
			.leaf = true,
			.pfn = spte_pfn(value),
		};
	}
	return i;
}

/* Two copies of the loop: with a constant level the compiler needs no variable shifts. */
static size_t look_beside(const struct mmu *mmu, const struct last_table *last,
			  const tdp_gfn_t *gfns, size_t count, struct tdp_entry *entries)
{
	if (last->level == TDP_4K)
		return look_along(mmu, last, TDP_4K, gfns, count, entries);
	return look_along(mmu, last, last->level, gfns, count, entries);
}

/* Descends from the root. An entry that has meanwhile become a table is read step by step. */
__attribute__((always_inline)) static inline struct lookup find(const struct mmu_context *context,
								tdp_gfn_t gfn)
{
	const struct mmu *mmu = context->actor.mmu;
	struct descent at = descend(context, gfn, false);
	uint64_t entry = u64_load_acquire(at.slot);

	if (__builtin_expect(spte_table(&mmu->encoding, entry, at.level), 0))
		return lookup_last(mmu, context->root.table, gfn);
	table_meet(mmu->host, entry);
	return (struct lookup){.slot = at.slot, .entry = entry, .level = at.level};
}

__attribute__((always_inline)) static inline struct lookup look_down(
	const struct mmu_context *context, tdp_gfn_t gfn, struct tdp_entry *entry)
{
	struct lookup found = {.level = TDP_NOT_MAPPED};

	if (__builtin_expect(gfn.n >= context->role.reach.n, 0)) {
		*entry = (struct tdp_entry){.gfn = gfn, .level = TDP_NOT_MAPPED};
		return found;
	}
	found = find(context, gfn);
	*entry = snapshot(&context->actor.mmu->encoding, gfn, found.entry, found.level);
	return found;
}

static struct last_table table_around(struct lookup found, tdp_gfn_t gfn)
{
	return (struct last_table){
		.entries = found.slot - entry_index(gfn.n, found.level),
		.level = found.level,
		.first = tdp_gfn_round(gfn, found.level + 1),
	};
}

static inline void look_for_all(const struct mmu_context *context, const tdp_gfn_t *gfns,
				size_t count, struct tdp_entry *entries)
{
	size_t i = 0;

	while (i < count) {
		struct lookup found = look_down(context, gfns[i], &entries[i]);
		struct last_table last;

		i++;
		if (found.level == TDP_NOT_MAPPED)
			continue;
		last = table_around(found, gfns[i - 1]);
		i += look_beside(context->actor.mmu, &last, gfns + i, count - i, entries + i);
	}
}

int tdp_vcpu_lookup_many(struct tdp_vcpu *vcpu, const tdp_gfn_t *gfns, size_t count,
			 struct tdp_entry *entries)
{
	struct mmu_context *context = &vcpu->context;

	if (!context->root.table)
		return -ENOENT;
	gate_enter(&context->actor);
	mmu_read_begin(&context->actor);
	look_for_all(context, gfns, count, entries);
	mmu_read_end(&context->actor);
	gate_leave(&context->actor);
	return 0;
}

/*
 * Most lookups find a 4K leaf, and need no more than this without `check`. False: the full
 * lookup has to decide.
 */
static inline bool look_for_page(const struct mmu_context *context, tdp_gfn_t gfn,
				 struct tdp_entry *entry)
{
	const uint64_t present = context->links.bits;
	struct descent at;
	uint64_t value;

	if (gfn.n >= context->role.reach.n)
		return false;
	at = descend(context, gfn, true);
	if (at.level != TDP_4K)
		return false;
	value = u64_load_acquire(at.slot);
	if (!(value & present))
		return false;
	*entry = page_entry(gfn, value);
	return true;
}

int tdp_vcpu_lookup(struct tdp_vcpu *vcpu, tdp_gfn_t gfn, struct tdp_entry *entry)
{
	struct mmu_context *context = &vcpu->context;
	bool found;

	if (!context->root.table || context->actor.mmu->check)
		return tdp_vcpu_lookup_many(vcpu, &gfn, 1, entry);
	mmu_read_begin(&context->actor);
	found = look_for_page(context, gfn, entry);
	mmu_read_end(&context->actor);
	return __builtin_expect(found, 1) ? 0 : tdp_vcpu_lookup_many(vcpu, &gfn, 1, entry);
}
