/* Changing an entry, and the consequences of a change. See change.h. */
#include "mmu/change.h"

#include "host/age.h"
#include "mmu/entry.h"
#include "mmu/flush.h"
#include "mmu/nx_list.h"
#include "mmu/trace.h"
#include "platform/charge.h"

static void entry_changed(struct mmu_held held, const struct spot *spot, uint64_t new);

static void remove_entry(struct mmu_held held, struct spot *spot)
{
	const struct encoding *e = &held.actor->mmu->encoding;

	if (held.exclusive) {
		spot->entry = u64_load_relaxed(spot->slot); /* nobody else adds entries */
		if (!spte_present(e, spot->entry))
			return;
		spot->entry = entry_store(e, spot->slot, spot->entry, e->frozen, spot->level);
	} else {
		spot->entry = spot->closed ? entry_freeze_closed(e, spot->slot)
					   : entry_freeze(e, spot->slot);
	}
	entry_changed(held, spot, e->frozen);
}

/* A table of 4K entries without an observer: only the gauge follows. */
static void remove_leaves(struct mmu_held held, atomic_u64 *entries, bool closed)
{
	const struct encoding *e = &held.actor->mmu->encoding;
	unsigned int leaves =
		held.exclusive ? entries_store_over_leaves(e, entries, 0, TABLE_ENTRIES, e->frozen)
			       : entries_freeze_leaves(e, entries, closed);

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

/* Freezes the entries of a table that was just unlinked, and frees it after a grace period. */
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
	if (spot.level == TDP_4K && !actor->observed)
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
 * An entry that is removed must be alive, and the frame that a leaf maps must still be allocated.
 * In the kernel the latter is a page whose state is changed after it was freed.
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
	history_describe(&mmu->checks.history, spot->address_space, spot->gfn, history);
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
		history_add(&actor->mmu->checks.history,
			    &(struct change_record){.gfn = spot->gfn,
						    .level = spot->level,
						    .address_space = spot->address_space,
						    .vcpu = actor->vcpu,
						    .old = spot->entry,
						    .new = new});
}

void entry_report(struct mmu_actor *actor, const struct spot *spot, uint64_t new)
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
	struct table *removed = NULL;
	bool removed_first = actor->mmu->policy.removed_table_first == TDP_ON;

	if (spot->entry == new)
		return;
	check_change(e, spot, new, was_leaf, is_leaf);
	if (spot_is_table(e, spot) && !spte_table(e, new, spot->level))
		removed = table_of(actor->mmu->host, spte_pfn(spot->entry));
	if (removed && removed_first)
		remove_table(held, spot, removed);
	entry_report_if_observed(actor, spot, new);
	if (was_leaf != is_leaf)
		mmu_gauge(actor, gauge_of_leaves(spot->level), is_leaf ? 1 : -1);
	if (removed && !removed_first)
		remove_table(held, spot, removed);
}

/* entry_changed() where nothing was present: the common case of a fault. */
static inline void hole_filled(struct mmu_actor *actor, const struct spot *spot, uint64_t new)
{
	const struct encoding *e = &actor->mmu->encoding;

	entry_report_if_observed(actor, spot, new);
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
	spot->entry = entry_store(e, spot->slot, spot->entry, new, spot->level);
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
