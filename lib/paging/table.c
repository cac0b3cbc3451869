/* Page tables: allocating and freeing frames with their records. See table.h. */
#include "paging/table.h"

#include "platform/charge.h"
#include "platform/check.h"

int table_alloc_bare(struct host_caller *caller, struct table **result)
{
	struct tdp_host *host = caller->host;
	struct table *table;
	tdp_pfn_t pfn;
	int err;

	err = frame_alloc_table(caller, &pfn);
	if (err)
		return err;
	charge(CHARGE_PAGE_CLEAR, 1);
	table = table_of(host, pfn);
	u32_init(&table->role, 0);
	u32_init(&table->references, 0);
	table->gfn = tdp_gfn(0);
	table->parent = NULL;
	table->zap_scheduled = false;
	u32_init(&table->nx_disallowed, false);
	table->nx_listed = false;
	ptr_init(&table->next_root, NULL);
	*result = table;
	return 0;
}

void table_fill(struct tdp_host *host, struct table *table, uint64_t first, uint64_t step)
{
	atomic_u64 *entries = table_entries(host, table);

	platform_lines(entries, TDP_PAGE_SIZE, ENGINE_WRITE);
	u64_init_series(entries, TABLE_ENTRIES, first, step);
}

int table_alloc(struct host_caller *caller, uint64_t fill, struct table **result)
{
	int err = table_alloc_bare(caller, result);

	if (!err)
		table_fill(caller->host, *result, fill, 0);
	return err;
}

bool table_is_of(const struct tdp_host *host, const struct table *table, tdp_gfn_t gfn,
		 unsigned int level)
{
	return frame_table_in_use(host, table_pfn(host, table)) && table_level(table) == level &&
	       table->gfn.n == gfn.n;
}

bool table_examine(struct tdp_host *host, tdp_pfn_t pfn, tdp_gfn_t gfn, unsigned int level)
{
	bool there = frame_is_table(host, pfn);

	if (host->config.check)
		there = there && table_is_of(host, table_of(host, pfn), tdp_gfn_round(gfn, level),
					     level - 1);
	if (!there)
		u64_add_relaxed(&host->freed_table_uses, 1);
	return there;
}

void table_free_now(struct host_caller *caller, struct table *table)
{
	frame_free_table(caller->host, caller, table_pfn(caller->host, table));
}

static void table_release(struct rcu_head *head, void *context)
{
	struct table *table = (struct table *)((uint8_t *)head - offsetof(struct table, rcu));
	struct tdp_host *host = context;

	CHECK(!table->nx_listed); /* X3 of mmu/nx.h */
	frame_free_table(host, NULL, table_pfn(host, table));
}

void table_free_deferred(struct tdp_host *host, struct table *table)
{
	rcu_defer(&host->rcu, &table->rcu, table_release);
}
