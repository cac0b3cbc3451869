/* Ageing: the walk over slots, roots and leaves. See age.h. */
#include "mmu/age.h"

#include "mmu/root.h"
#include "mmu/trace.h"
#include "mmu/zap.h"

struct ageing {
	struct mmu_actor *task;
	const struct encoding *encoding;
	struct mmu_exclusive exclusive; /* A2, once a slot was hit */
	bool lockless, test;
	bool observed; /* a tracer or the checker wants the old value of each entry */
	bool locked;
	bool young;
};

static void report(const struct ageing *ageing, const struct spot *spot, uint64_t new)
{
	struct mmu_actor *task = ageing->task;

	if (task->mmu->check)
		history_add(&task->mmu->checks.history,
			    &(struct change_record){.gfn = spot->gfn,
						    .level = spot->level,
						    .address_space = spot->address_space,
						    .vcpu = task->vcpu,
						    .old = spot->entry,
						    .new = new});
	if (mmu_tracing(task))
		trace_spte_changed(task, spot->address_space, spot->gfn, spot->entry, new,
				   spot->level);
}

/* A leaf that is young; the spot then holds what was there when it was made old. */
static void clear_accessed(const struct ageing *ageing, struct spot *spot)
{
	const struct encoding *e = ageing->encoding;

	if (ageing->lockless || spte_volatile(e, spot->entry, spot->level))
		spot->entry = u64_and_acq_rel(spot->slot, ~e->accessed);
	else
		u64_store_release(spot->slot, spot->entry & ~e->accessed);
	report(ageing, spot, spot->entry & ~e->accessed);
}

/* False: another actor changed the entry first (A1). */
static bool write_tracked(const struct ageing *ageing, struct spot *spot, uint64_t new)
{
	uint64_t found = spot->entry;

	if (ageing->lockless)
		return u64_cas_acq_rel(spot->slot, &found, new);
	if (spte_volatile(ageing->encoding, spot->entry, spot->level))
		spot->entry = u64_exchange_acq_rel(spot->slot, new);
	else
		u64_store_release(spot->slot, new);
	return true;
}

static void track(const struct ageing *ageing, struct spot *spot)
{
	struct tracked *tracked = &ageing->task->mmu->checks.tracked;
	uint64_t new = spte_to_tracked(ageing->encoding, spot->entry);

	tracked_begin(tracked, spot->address_space, spot->gfn, spot->level);
	if (write_tracked(ageing, spot, new))
		report(ageing, spot, new);
	tracked_end(tracked, spot->address_space, spot->gfn, spot->level);
}

static void age_leaf(struct ageing *ageing, struct spot *spot)
{
	if (!spte_accessed(ageing->encoding, spot->entry))
		return;
	ageing->young = true;
	if (ageing->test)
		return;
	if (ageing->encoding->hardware_ad)
		clear_accessed(ageing, spot);
	else
		track(ageing, spot);
}

/* Some entries of a table of 4K leaves, one by one. */
static void age_each(struct ageing *ageing, const struct spot *parent, atomic_u64 *entries,
		     unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to && !(ageing->test && ageing->young); i++) {
		struct spot spot = {
			.slot = &entries[i],
			.entry = u64_load_relaxed(&entries[i]),
			.gfn = tdp_gfn(parent->gfn.n + i),
			.level = TDP_4K,
			.address_space = parent->address_space,
		};

		if (spte_present(ageing->encoding, spot.entry))
			age_leaf(ageing, &spot);
	}
}

/* The same without an observer: clearing a bit is one locked instruction, which returns no old
 * value. */
static void age_unobserved(struct ageing *ageing, atomic_u64 *entries, unsigned int from,
			   unsigned int to)
{
	const struct encoding *e = ageing->encoding;
	uint64_t accessed = e->accessed, young = e->mmu_present | accessed;

	for (unsigned int i = from; i < to; i++) {
		uint64_t entry = u64_load_relaxed(&entries[i]);

		if ((entry & young) != young)
			continue;
		ageing->young = true;
		if (ageing->lockless || spte_volatile(e, entry, TDP_4K))
			u64_and_acq_rel(&entries[i], ~accessed);
		else
			u64_store_release(&entries[i], entry & ~accessed);
	}
}

/* What of the range lies in the 4K table at the iterator. */
static void age_table(struct ageing *ageing, struct iter *iter, struct gfn_range range)
{
	uint64_t first = iter->at.gfn.n;
	uint64_t from = range.first.n > first ? range.first.n - first : 0;
	uint64_t to = range.past.n - first < TABLE_ENTRIES ? range.past.n - first : TABLE_ENTRIES;
	atomic_u64 *entries = iter_table_below(iter);

	if (!entries)
		return;
	if (ageing->test || ageing->observed || !ageing->encoding->hardware_ad)
		age_each(ageing, &iter->at, entries, (unsigned int)from, (unsigned int)to);
	else
		age_unobserved(ageing, entries, (unsigned int)from, (unsigned int)to);
}

static void age_root(struct ageing *ageing, const struct table *root, struct gfn_range range)
{
	const struct mmu *mmu = ageing->task->mmu;
	struct iter iter;

	iter_begin(&iter, mmu->host, &mmu->encoding, root, TDP_2M, range.first, range.past);
	while (iter_valid(&iter) && !(ageing->test && ageing->young)) {
		if (iter_at_leaf(&iter)) {
			age_leaf(ageing, &iter.at);
		} else if (iter.at.level == TDP_2M && iter_at_table(&iter)) {
			age_table(ageing, &iter, range);
		} else {
			iter_next(&iter);
			continue;
		}
		iter_next_beside(&iter);
	}
}

static void age_slot(struct ageing *ageing, unsigned int address_space, struct gfn_range range)
{
	enum root_filter filter = ageing->lockless ? ROOTS_VALID : ROOTS_ALL;
	struct mmu *mmu = ageing->task->mmu;
	const struct table *root = NULL;

	if (!ageing->lockless && !ageing->locked) {
		ageing->exclusive = mmu_lock_exclusive(ageing->task);
		ageing->locked = true;
	}
	while ((root = root_next_unheld(mmu, root, filter, (int)address_space)))
		age_root(ageing, root, range);
}

static void age_address_space(struct ageing *ageing, unsigned int address_space,
			      const struct memory_change *change)
{
	const struct memslots *slots = memslots_of(ageing->task->mmu->memory, address_space);
	const struct memslot *slot = NULL;

	while ((slot = memslot_next_changed(slots, change, slot))) {
		struct gfn_range range;

		memslot_changed(slot, change, &range.first, &range.past);
		age_slot(ageing, address_space, range);
	}
}

static void trace_ageing(struct mmu_actor *task, const struct memory_change *change, bool test)
{
	if (test)
		trace_test_age_hva(task, change->start);
	else
		trace_age_hva(task, change->start, change->end);
}

/* One section: slots, roots and tables stay while it is open. */
static bool age(struct mmu_actor *task, const struct memory_change *change, bool test)
{
	struct mmu *mmu = task->mmu;
	struct ageing ageing = {
		.task = task,
		.encoding = &mmu->encoding,
		.lockless = mmu->policy.lockless_age == TDP_ON,
		.test = test,
		.observed = mmu->check || mmu_tracing(task),
	};

	mmu_read_begin(task);
	for (unsigned int as = 0; as < mmu->memory->address_spaces; as++)
		age_address_space(&ageing, as, change);
	if (ageing.locked)
		mmu_unlock_exclusive(ageing.exclusive);
	mmu_read_end(task);
	return ageing.young;
}

bool mmu_age(struct mmu *mmu, const struct memory_change *change, bool test)
{
	struct mmu_actor *task = mmu_task_get(mmu);
	bool young;

	if (mmu_tracing(task))
		trace_ageing(task, change, test);
	young = age(task, change, test);
	mmu_task_put(task);
	return young;
}
