/* Changing an entry, and what a change entails. See change.h. */
#include "mmu/change.h"

#include "host/age.h"
#include "mmu/flush.h"
#include "mmu/nx.h"
#include "mmu/trace.h"
#include "platform/charge.h"
#include "platform/wait.h"

static void entry_changed(struct mmu_held held, const struct spot *spot, uint64_t new);

/* C3: no compare-and-swap of a late fault can succeed any more. */
static uint64_t freeze_shared(const struct encoding *e, atomic_u64 *entry)
{
	struct waiting waiting = {0};

	for (;;) {
		uint64_t old = u64_exchange_acq_rel(entry, e->frozen);

		if (!spte_frozen(e, old))
			return old;
		platform_pause(&waiting); /* C2: its owner is about to thaw it */
	}
}

/* In a closed tree a hole stays one: no fault maps there any more (R4 of root.h). */
static uint64_t freeze_closed(const struct encoding *e, atomic_u64 *entry)
{
	uint64_t old = u64_load_relaxed(entry);

	if (spte_present(e, old) || spte_frozen(e, old))
		return freeze_shared(e, entry);
	u64_store_release(entry, e->frozen);
	return old;
}

static uint64_t store_exclusive(const struct encoding *e, atomic_u64 *entry, uint64_t old,
				uint64_t new, unsigned int level)
{
	if (spte_volatile(e, old, level))
		return u64_exchange_acq_rel(entry, new);
	u64_store_release(entry, new);
	return old;
}

static void remove_entry(struct mmu_held held, struct spot *spot)
{
	const struct encoding *e = &held.actor->mmu->encoding;

	if (held.exclusive) {
		spot->entry = u64_load_relaxed(spot->slot); /* nobody else adds entries */
		if (!spte_present(e, spot->entry))
			return;
		spot->entry = store_exclusive(e, spot->slot, spot->entry, e->frozen, spot->level);
	} else {
		spot->entry =
			spot->closed ? freeze_closed(e, spot->slot) : freeze_shared(e, spot->slot);
	}
	entry_changed(held, spot, e->frozen);
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

/* Under the exclusive lock; a store is enough (C4). */
static unsigned int store_over_leaves(const struct encoding *e, atomic_u64 *entries,
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

/* A line of entries at a time: in a closed tree most lines are all holes. */
static unsigned int freeze_leaves_shared(const struct encoding *e, atomic_u64 *entries, bool closed)
{
	unsigned int leaves = 0;

	for (atomic_u64 *line = entries; line < entries + TABLE_ENTRIES; line += LINE_ENTRIES) {
		bool holes = closed && line_differs(line, e->nonpresent) == 0;

		for (unsigned int i = 0; i < LINE_ENTRIES; i++) {
			if (holes)
				u64_store_release(&line[i], e->frozen);
			else
				leaves += spte_present(e, closed ? freeze_closed(e, &line[i])
								 : freeze_shared(e, &line[i]));
		}
	}
	return leaves;
}

/* A table of 4K entries that nobody is told of: all that follows is the gauge. */
static void remove_leaves(struct mmu_held held, atomic_u64 *entries, bool closed)
{
	const struct encoding *e = &held.actor->mmu->encoding;
	unsigned int leaves = held.exclusive
				      ? store_over_leaves(e, entries, 0, TABLE_ENTRIES, e->frozen)
				      : freeze_leaves_shared(e, entries, closed);

	if (leaves)
		mmu_gauge(held.actor, GAUGE_PAGES_4K, -(int64_t)leaves);
}

static void remove_entries(struct mmu_held held, struct spot first)
{
	for (unsigned int i = 0; i < TABLE_ENTRIES; i++) {
		remove_entry(held, &first);
		first.slot++;
		first.gfn.n += tdp_level_pages(first.level);
	}
}

/* A table that was just unlinked: takes it apart and frees it after a grace period. */
static void remove_table(struct mmu_held held, const struct spot *parent, struct table *table)
{
	struct mmu_actor *actor = held.actor;
	struct spot spot = {
		.slot = table_entries(actor->mmu->host, table),
		.gfn = parent->gfn,
		.level = parent->level - 1,
		.address_space = parent->address_space,
		.closed = parent->closed,
	};

	if (mmu_tracing(actor))
		trace_page(actor, TDP_TRACE_PREPARE_ZAP_PAGE, table, false);
	mmu_gauge(actor, GAUGE_TABLES, -1);
	if (nx_disallows(table))
		nx_forget(actor, table);
	if (spot.level == TDP_4K && !actor->told)
		remove_leaves(held, spot.slot, spot.closed);
	else
		remove_entries(held, spot);
	table_free_deferred(actor->mmu->host, table);
}

static void check_change(const struct encoding *e, const struct spot *spot, uint64_t new,
			 bool was_leaf, bool is_leaf)
{
	if (was_leaf && is_leaf)
		CHECK(spte_pfn(spot->entry).n == spte_pfn(new).n); /* C1 */
	if (is_leaf) {
		CHECK(spot->level <= TDP_LEAF_LEVEL_MAX);
		CHECK(spte_writability_legal(e, new));
	}
}

/*
 * Who takes an entry away must find it alive, and what a leaf mapped still out. In
 * the kernel the latter is a page whose state is changed after it was freed.
 */
static void check_removed(struct mmu *mmu, const struct spot *spot)
{
	struct tdp_host *host = mmu->host;
	uint64_t old = spot->entry;
	char history[HISTORY_BYTES];

	table_meet(host, old);
	if (!spot_is_leaf(&mmu->encoding, spot) || old == FRAME_POISON || !host->config.check ||
	    frame_is_out(host, spte_pfn(old)))
		return;
	history_tell(&mmu->history, spot->address_space, spot->gfn, history);
	mmu_note(mmu, TDP_INVARIANT_MAPPING,
		 "gfn 0x%llx, level %u: entry 0x%016llx was taken away after its frame had been "
		 "given back%s",
		 (unsigned long long)spot->gfn.n, spot->level, (unsigned long long)old, history);
}

/* Under check. */
static void watch_change(struct mmu_actor *actor, const struct spot *spot, uint64_t new)
{
	const struct encoding *e = &actor->mmu->encoding;

	check_removed(actor->mmu, spot);
	if (spte_present(e, spot->entry) || spte_present(e, new))
		history_add(&actor->mmu->history,
			    &(struct change_record){.gfn = spot->gfn,
						    .level = spot->level,
						    .address_space = spot->address_space,
						    .vcpu = actor->vcpu,
						    .old = spot->entry,
						    .new = new});
}

void entry_tell(struct mmu_actor *actor, const struct spot *spot, uint64_t new)
{
	if (actor->mmu->check)
		watch_change(actor, spot, new);
	if (mmu_tracing(actor))
		trace_spte_changed(actor, spot->address_space, spot->gfn, spot->entry, new,
				   spot->level);
}

/* The spot still holds the old value. */
static void entry_changed(struct mmu_held held, const struct spot *spot, uint64_t new)
{
	struct mmu_actor *actor = held.actor;
	const struct encoding *e = &actor->mmu->encoding;
	bool was_leaf = spot_is_leaf(e, spot), is_leaf = spte_leaf(e, new, spot->level);

	if (spot->entry == new)
		return;
	check_change(e, spot, new, was_leaf, is_leaf);
	entry_told(actor, spot, new);
	if (was_leaf != is_leaf)
		mmu_gauge(actor, gauge_of_leaves(spot->level), is_leaf ? 1 : -1);
	if (spot_is_table(e, spot) && !spte_table(e, new, spot->level))
		remove_table(held, spot, table_of(actor->mmu->host, spte_pfn(spot->entry)));
}

/* entry_changed() where nothing was present: the common case of a fault. */
static inline void hole_filled(struct mmu_actor *actor, const struct spot *spot, uint64_t new)
{
	const struct encoding *e = &actor->mmu->encoding;

	entry_told(actor, spot, new);
	if (!spte_leaf(e, new, spot->level))
		return;
	check_change(e, spot, new, false, true);
	mmu_gauge(actor, gauge_of_leaves(spot->level), 1);
}

bool entry_set_atomic(struct mmu_shared shared, struct spot *spot, uint64_t new)
{
	const struct encoding *e = &shared.held.actor->mmu->encoding;
	uint64_t found = spot->entry;

	DCHECK(!spte_frozen(e, found));
	if (!u64_cas_acq_rel(spot->slot, &found, new)) {
		spot->entry = found;
		return false;
	}
	if (spte_present(e, found))
		entry_changed(shared.held, spot, new);
	else
		hole_filled(shared.held.actor, spot, new);
	spot->entry = new;
	return true;
}

void entry_set(struct mmu_exclusive exclusive, struct spot *spot, uint64_t new)
{
	const struct encoding *e = &exclusive.held.actor->mmu->encoding;

	CHECK(!spte_frozen(e, spot->entry) && !spte_frozen(e, new));
	spot->entry = store_exclusive(e, spot->slot, spot->entry, new, spot->level);
	entry_changed(exclusive.held, spot, new);
	spot->entry = new;
}

bool entry_change(struct mmu_held held, struct spot *spot, uint64_t new)
{
	if (!held.exclusive)
		return entry_set_atomic((struct mmu_shared){held}, spot, new);
	entry_set((struct mmu_exclusive){held}, spot, new);
	return true;
}

bool entry_zap_atomic(struct mmu_shared shared, struct spot *spot)
{
	struct mmu_actor *actor = shared.held.actor;
	const struct encoding *e = &actor->mmu->encoding;
	uint64_t found = spot->entry;
	bool flush_first = actor->mmu->policy.zap_flush_first == TDP_ON;

	if (!u64_cas_acq_rel(spot->slot, &found, e->frozen)) {
		spot->entry = found;
		return false;
	}
	if (!flush_first)
		entry_changed(shared.held, spot, e->frozen);
	mmu_flush_range(actor, spot->gfn, tdp_level_pages(spot->level));
	u64_store_release(spot->slot, e->nonpresent); /* C2: ours to thaw */
	if (flush_first)
		entry_changed(shared.held, spot, e->nonpresent);
	spot->entry = e->nonpresent;
	return true;
}

/* False if it was none. */
static inline bool zap_leaf_shared(const struct encoding *e, struct spot *spot)
{
	spot->entry = u64_load_relaxed(spot->slot);
	while (spte_present(e, spot->entry)) /* a lost swap has refreshed it */
		if (u64_cas_acq_rel(spot->slot, &spot->entry, e->nonpresent))
			return true;
	return false;
}

/* The same under the exclusive lock, where somebody is told what the leaf was. */
static inline bool zap_leaf_exclusive(const struct encoding *e, struct spot *spot)
{
	spot->entry = u64_load_relaxed(spot->slot);
	if (!spte_present(e, spot->entry))
		return false;
	spot->entry = store_exclusive(e, spot->slot, spot->entry, e->nonpresent, TDP_4K);
	return true;
}

static unsigned int zap_each(struct mmu_held held, const struct spot *parent, atomic_u64 *entries,
			     unsigned int from, unsigned int to)
{
	struct mmu_actor *actor = held.actor;
	const struct encoding *e = &actor->mmu->encoding;
	bool told = actor->told;
	unsigned int zapped = 0;

	for (unsigned int i = from; i < to; i++) {
		struct spot spot = {
			.slot = &entries[i],
			.gfn = tdp_gfn(parent->gfn.n + i),
			.level = TDP_4K,
			.address_space = parent->address_space,
		};

		if (!(held.exclusive ? zap_leaf_exclusive(e, &spot) : zap_leaf_shared(e, &spot)))
			continue;
		zapped++;
		if (told)
			entry_tell(actor, &spot, e->nonpresent);
	}
	return zapped;
}

unsigned int entries_zap_leaves(struct mmu_held held, const struct spot *parent,
				atomic_u64 *entries, unsigned int from, unsigned int to)
{
	const struct encoding *e = &held.actor->mmu->encoding;
	unsigned int zapped = held.exclusive && !held.actor->told
				      ? store_over_leaves(e, entries, from, to, e->nonpresent)
				      : zap_each(held, parent, entries, from, to);

	if (zapped)
		mmu_gauge(held.actor, GAUGE_PAGES_4K, -(int64_t)zapped);
	return zapped;
}

/* False: the entry has changed, and was read again. */
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

static inline void clear_bits(struct mmu_held held, struct spot *spot, uint64_t bits, bool told)
{
	const struct encoding *e = &held.actor->mmu->encoding;

	while (spot_is_leaf(e, spot) && (spot->entry & bits)) {
		if (!clear_once(held, spot, bits))
			continue;
		if (told)
			entry_tell(held.actor, spot, spot->entry & ~bits);
		spot->entry &= ~bits;
	}
}

void entry_clear_bits(struct mmu_held held, struct spot *spot, uint64_t bits)
{
	clear_bits(held, spot, bits, held.actor->told);
	DCHECK(!spot_is_leaf(&held.actor->mmu->encoding, spot) ||
	       spte_writability_legal(&held.actor->mmu->encoding, spot->entry));
}

/*
 * The same for an entry of a 4K table where nobody wants to be told. Under the exclusive
 * lock an entry that is not volatile (spte_volatile()) is stored plainly, as far as one
 * comparison tells; for any other a locked instruction is always right.
 */
struct quiet {
	uint64_t present, bits;
	uint64_t calm, of; /* calm entries have these bits, of those */
};

static struct quiet quiet_of(struct mmu_held held, uint64_t bits)
{
	const struct encoding *e = &held.actor->mmu->encoding;
	uint64_t calm = e->write | e->format->dirty;

	if (!e->lockless_age)
		calm |= e->format->accessed;
	return (struct quiet){
		.present = e->mmu_present,
		.bits = bits,
		.calm = calm,
		.of = calm | 1ULL << AD_TYPE_SHIFT, /* AD_DISABLED is never calm */
	};
}

static inline void clear_quietly(const struct quiet *quiet, atomic_u64 *entry, bool exclusive)
{
	uint64_t bits = quiet->bits, value = u64_load_relaxed(entry);

	while ((value & quiet->present) && (value & bits)) {
		if (!exclusive) {
			if (!u64_cas_acq_rel(entry, &value, value & ~bits))
				continue;
		} else if ((value & quiet->of) == quiet->calm) {
			u64_store_release(entry, value & ~bits);
		} else {
			u64_and_acq_rel(entry, ~bits);
		}
		return;
	}
}

static void clear_aloud(struct mmu_held held, const struct spot *parent, atomic_u64 *entries,
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

/*
 * The loops are functions of their own, so that what they compare with stays in
 * registers.
 */
#define LOOP static __attribute__((noinline))

LOOP void clear_range_shared(struct quiet quiet, atomic_u64 *entry, const atomic_u64 *end)
{
	for (; entry < end; entry++)
		clear_quietly(&quiet, entry, false);
}

LOOP void clear_masked_exclusive(struct quiet quiet, atomic_u64 *entries, uint64_t mask)
{
	for (; mask; mask &= mask - 1)
		clear_quietly(&quiet, &entries[__builtin_ctzll(mask)], true);
}

void entries_clear_bits(struct mmu_shared shared, const struct spot *parent, atomic_u64 *entries,
			unsigned int from, unsigned int to, uint64_t bits)
{
	if (shared.held.actor->told)
		for (unsigned int i = from; i < to; i++)
			clear_aloud(shared.held, parent, entries, i, bits);
	else
		clear_range_shared(quiet_of(shared.held, bits), &entries[from], &entries[to]);
}

void entries_clear_masked(struct mmu_exclusive exclusive, const struct spot *parent,
			  atomic_u64 *entries, unsigned int from, uint64_t mask, uint64_t bits)
{
	if (exclusive.held.actor->told)
		for (; mask; mask &= mask - 1)
			clear_aloud(exclusive.held, parent, entries,
				    from + (unsigned int)__builtin_ctzll(mask), bits);
	else
		clear_masked_exclusive(quiet_of(exclusive.held, bits), &entries[from], mask);
}

void entry_prepare_table(struct mmu_actor *actor, const struct spot *spot, struct table *child)
{
	struct table *parent = table_of_entry(actor->mmu->host, spot->slot);

	/* Published by the link (T1); a parent's invalid bit is its own. */
	u32_store_relaxed(&child->role,
			  role_of_child(u32_load_relaxed(&parent->role) & ~ROLE_INVALID));
	child->gfn = spot->gfn;
	if (mmu_tracing(actor))
		trace_page(actor, TDP_TRACE_GET_PAGE, child, true);
}

bool entry_link_table(struct mmu_held held, struct spot *spot, struct table *table)
{
	const struct mmu *mmu = held.actor->mmu;
	tdp_pfn_t pfn = table_pfn(mmu->host, table);

	table->parent = spot->slot;
	if (!entry_change(held, spot, spte_make_table(&mmu->encoding, pfn)))
		return false;
	/* After the link: a remover may count down first, so -1 can be seen for a moment. */
	mmu_gauge(held.actor, GAUGE_TABLES, 1);
	return true;
}
