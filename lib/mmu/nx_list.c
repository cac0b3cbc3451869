/* The list of tables that stand for a huge page which NX forbids. See nx_list.h. */
#include "mmu/nx_list.h"

void nx_track(struct mmu_actor *actor, struct table *table)
{
	struct mmu *mmu = actor->mmu;

	spinlock_lock(&mmu->pages.lock);
	if (nx_disallows(table)) { /* X2 */
		TAILQ_INSERT_TAIL(&mmu->pages.nx.tables, table, nx_link);
		table->nx_listed = true;
		mmu->pages.nx.count++;
		mmu_gauge(actor, GAUGE_NX_LPAGE_SPLITS, 1);
	}
	spinlock_unlock(&mmu->pages.lock);
}

/* Under pages_lock. */
static void forget(struct mmu_actor *actor, struct table *table)
{
	struct mmu *mmu = actor->mmu;

	if (table->nx_listed) {
		TAILQ_REMOVE(&mmu->pages.nx.tables, table, nx_link);
		table->nx_listed = false;
		mmu->pages.nx.count--;
		mmu_gauge(actor, GAUGE_NX_LPAGE_SPLITS, -1);
	}
	/* Last, and a release: an actor that unlinked the table and finds the flag clear does not
	 * call nx_forget(), and uses the memory of the links for the grace period. */
	u32_store_release(&table->nx_disallowed, false);
}

void nx_forget(struct mmu_actor *actor, struct table *table)
{
	spinlock_lock(&actor->mmu->pages.lock);
	forget(actor, table);
	spinlock_unlock(&actor->mmu->pages.lock);
}

struct table *nx_take_oldest(struct mmu_actor *actor)
{
	struct mmu *mmu = actor->mmu;
	struct table *table;

	spinlock_lock(&mmu->pages.lock);
	table = TAILQ_FIRST(&mmu->pages.nx.tables);
	if (table)
		forget(actor, table);
	spinlock_unlock(&mmu->pages.lock);
	return table;
}

uint64_t nx_share_of_list(struct mmu *mmu, unsigned int ratio)
{
	uint64_t count;

	spinlock_lock(&mmu->pages.lock);
	count = mmu->pages.nx.count;
	spinlock_unlock(&mmu->pages.lock);
	return (count + ratio - 1) / ratio;
}
