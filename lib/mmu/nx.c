/* NX huge pages: the list of tables that stand for one, and their recovery. See nx.h. */
#include "mmu/nx.h"

#include "mmu/change.h"
#include "mmu/flush.h"
#include "mmu/nx_list.h"
#include "mmu/zap.h"

static bool links(const struct mmu *mmu, const struct spot *spot, const struct table *table)
{
	return spot_is_table(&mmu->encoding, spot) &&
	       spte_pfn(spot->entry).n == table_pfn(mmu->host, table).n;
}

/*
 * Zaps the entry that links the table; false if another holder of the lock has removed or replaced
 * it (kvm_tdp_mmu_zap_possible_nx_huge_page(), 6.18). The hardware sets no flag in a table's entry
 * that matters here, so a lost swap means just that.
 */
static bool zap_table(struct mmu_held held, struct table *table)
{
	const struct mmu *mmu = held.actor->mmu;
	struct spot spot = {
		.slot = table->parent,
		.entry = u64_load_acquire(table->parent),
		.gfn = table->gfn,
		.level = table_level(table) + 1,
		.address_space = role_address_space(u32_load_relaxed(&table->role)),
	};

	if (links(mmu, &spot, table) && entry_change(held, &spot, mmu->encoding.nonpresent))
		return true;
	CHECK(!held.exclusive && !links(mmu, &spot, table));
	return false;
}

/*
 * In a logged slot the page would be mapped 4K again at once; when logging stops, recovery brings
 * its huge pages back. The slot is that of the tree's own address space (817fa998362d, 6.4); there
 * may be none, if only its leaves were zapped.
 */
static bool left_alone(const struct mmu *mmu, const struct table *table)
{
	unsigned int address_space = role_address_space(u32_load_relaxed(&table->role));
	const struct memslot *slot =
		memslot_find(memslots_of(mmu->memory, address_space), table->gfn);

	return slot && slot->log_dirty && mmu->policy.nx_skip_logged == TDP_ON;
}

static struct mmu_held lock_for_recovery(struct mmu_actor *actor)
{
	if (actor->mmu->policy.nx_recovery_shared == TDP_ON)
		return mmu_lock_shared(actor).held;
	return mmu_lock_exclusive(actor).held;
}

uint64_t nx_recover(struct mmu_actor *actor, unsigned int ratio)
{
	struct mmu_held held = lock_for_recovery(actor);
	uint64_t taken,
		most = actor->mmu->watched.nx_active ? nx_share_of_list(actor->mmu, ratio) : 0;
	bool flush = false;

	/* X4. The section also keeps the tables of the list, and the tables above them. */
	mmu_read_begin(actor);
	for (taken = 0; taken < most; taken++) {
		struct table *table = nx_take_oldest(actor);

		if (!table)
			break; /* the rest went with tables above it */
		if (!left_alone(actor->mmu, table) && zap_table(held, table))
			flush = true;
		mmu_give_way(held, &flush);
	}
	if (flush)
		mmu_flush_all(actor);
	mmu_read_end(actor);
	mmu_unlock(held);
	return taken;
}

void nx_set_active(struct mmu_actor *actor, bool active)
{
	struct mmu_exclusive exclusive = mmu_lock_exclusive(actor);

	actor->mmu->watched.nx_active = active;
	mmu_drop_roots(exclusive);
	mmu_unlock_exclusive(exclusive);
	mmu_zap_invalidated_roots(actor);
}
