/* Changing an entry, and what a change entails. See change.h. */
#include "mmu/change.h"

#include "host/age.h"
#include "mmu/flush.h"
#include "mmu/trace.h"
#include "platform/charge.h"
#include "platform/wait.h"

/* Where an entry is, for what follows from changing it. */
struct place {
	unsigned int address_space;
	tdp_gfn_t gfn;
	unsigned int level;
};

static void entry_changed(struct mmu_held held, struct place place, uint64_t old, uint64_t new);

static struct place place_of(const struct iter *iter)
{
	return (struct place){iter->address_space, iter->gfn, iter->level};
}

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

static uint64_t store_exclusive(const struct encoding *e, atomic_u64 *entry, uint64_t old,
				uint64_t new, unsigned int level)
{
	if (spte_volatile(e, old, level))
		return u64_exchange_acq_rel(entry, new);
	u64_store_release(entry, new);
	return old;
}

static void remove_entry(struct mmu_held held, struct place place, atomic_u64 *entry)
{
	const struct encoding *e = &held.actor->mmu->encoding;
	uint64_t old;

	if (held.exclusive) {
		old = u64_load_relaxed(entry); /* nobody else adds entries: exclusive */
		if (!spte_present(e, old))
			return;
		old = store_exclusive(e, entry, old, e->frozen, place.level);
	} else {
		old = freeze_shared(e, entry);
	}
	entry_changed(held, place, old, e->frozen);
}

/* A table that was just unlinked: takes it apart and frees it after a grace period. */
static void remove_table(struct mmu_held held, unsigned int address_space, struct table *table)
{
	struct mmu_actor *actor = held.actor;
	atomic_u64 *entries = table_entries(actor->mmu->host, table);
	unsigned int level = table_level(table);

	if (mmu_tracing(actor))
		trace_page(actor, TDP_TRACE_PREPARE_ZAP_PAGE, table, false);
	mmu_gauge(actor, GAUGE_TABLES, -1);
	for (unsigned int i = 0; i < TABLE_ENTRIES; i++) {
		struct place place = {
			.address_space = address_space,
			.gfn = tdp_gfn(table->gfn.n + i * tdp_level_pages(level)),
			.level = level,
		};

		remove_entry(held, place, &entries[i]);
	}
	table_free_deferred(table);
}

static void check_change(const struct encoding *e, struct place place, uint64_t old, uint64_t new,
			 bool was_leaf, bool is_leaf)
{
	if (was_leaf && is_leaf)
		CHECK(spte_pfn(old).n == spte_pfn(new).n); /* C1 */
	if (is_leaf) {
		CHECK(place.level <= TDP_LEAF_LEVEL_MAX);
		CHECK(spte_writability_legal(e, new));
	}
}

/*
 * Who takes an entry away must find it alive, and what a leaf mapped still out. In
 * the kernel the latter is a page whose state is changed after it was freed.
 */
static void check_removed(struct mmu *mmu, struct place place, uint64_t old)
{
	struct tdp_host *host = mmu->host;
	char history[HISTORY_BYTES];

	table_meet(host, old);
	if (!spte_leaf(&mmu->encoding, old, place.level) || old == FRAME_POISON ||
	    !host->config.check || frame_is_out(host, spte_pfn(old)))
		return;
	history_tell(&mmu->history, place.address_space, place.gfn, history);
	mmu_note(mmu, TDP_INVARIANT_MAPPING,
		 "gfn 0x%llx, level %u: entry 0x%016llx was taken away after its frame had been "
		 "given back%s",
		 (unsigned long long)place.gfn.n, place.level, (unsigned long long)old, history);
}

/* Under check. */
static void watch_change(struct mmu_actor *actor, struct place place, uint64_t old, uint64_t new)
{
	const struct encoding *e = &actor->mmu->encoding;

	check_removed(actor->mmu, place, old);
	if (spte_present(e, old) || spte_present(e, new))
		history_add(&actor->mmu->history,
			    &(struct change_record){.gfn = place.gfn,
						    .level = place.level,
						    .address_space = place.address_space,
						    .vcpu = actor->vcpu,
						    .old = old,
						    .new = new});
}

static void entry_changed(struct mmu_held held, struct place place, uint64_t old, uint64_t new)
{
	struct mmu_actor *actor = held.actor;
	const struct encoding *e = &actor->mmu->encoding;
	bool was_leaf = spte_leaf(e, old, place.level), is_leaf = spte_leaf(e, new, place.level);
	bool was_table = spte_table(e, old, place.level);

	if (old == new)
		return;
	check_change(e, place, old, new, was_leaf, is_leaf);
	if (__builtin_expect(actor->mmu->check, 0))
		watch_change(actor, place, old, new);
	if (mmu_tracing(actor))
		trace_spte_changed(actor, place.address_space, place.gfn, old, new, place.level);
	if (was_leaf != is_leaf)
		mmu_gauge(actor, gauge_of_leaves(place.level), is_leaf ? 1 : -1);
	if (was_table && !spte_table(e, new, place.level))
		remove_table(held, place.address_space, table_of(actor->mmu->host, spte_pfn(old)));
}

bool entry_set_atomic(struct mmu_shared shared, struct iter *iter, uint64_t new)
{
	uint64_t old = iter->entry;

	DCHECK(!iter->yielded && !spte_frozen(iter->encoding, old));
	if (!u64_cas_acq_rel(iter->slot, &iter->entry, new))
		return false; /* iter->entry is now what is there */
	entry_changed(shared.held, place_of(iter), old, new);
	iter->entry = new;
	return true;
}

void entry_set(struct mmu_exclusive exclusive, struct iter *iter, uint64_t new)
{
	const struct encoding *e = iter->encoding;

	CHECK(!spte_frozen(e, iter->entry) && !spte_frozen(e, new));
	iter->entry = store_exclusive(e, iter->slot, iter->entry, new, iter->level);
	entry_changed(exclusive.held, place_of(iter), iter->entry, new);
	iter->entry = new;
}

bool entry_change(struct mmu_held held, struct iter *iter, uint64_t new)
{
	if (!held.exclusive)
		return entry_set_atomic((struct mmu_shared){held}, iter, new);
	entry_set((struct mmu_exclusive){held}, iter, new);
	return true;
}

bool entry_zap_atomic(struct mmu_shared shared, struct iter *iter)
{
	struct mmu_actor *actor = shared.held.actor;
	const struct encoding *e = iter->encoding;
	uint64_t old = iter->entry;
	bool flush_first = actor->mmu->policy.zap_flush_first == TDP_ON;

	if (!u64_cas_acq_rel(iter->slot, &iter->entry, e->frozen))
		return false;
	if (!flush_first)
		entry_changed(shared.held, place_of(iter), old, e->frozen);
	mmu_flush_range(actor, iter->gfn, tdp_level_pages(iter->level));
	u64_store_release(iter->slot, e->nonpresent); /* C2: ours to thaw */
	if (flush_first)
		entry_changed(shared.held, place_of(iter), old, e->nonpresent);
	iter->entry = e->nonpresent;
	return true;
}

bool entry_link_table(struct mmu_held held, struct iter *iter, struct table *table)
{
	tdp_pfn_t pfn = table_pfn(iter->host, table);

	table->parent = iter->slot;
	if (!entry_change(held, iter, spte_make_table(iter->encoding, pfn)))
		return false;
	/* After the link: a remover may count down first, so -1 can be seen for a moment. */
	mmu_gauge(held.actor, GAUGE_TABLES, 1);
	return true;
}
