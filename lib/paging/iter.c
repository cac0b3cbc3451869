/* Lockless table iterator: its three moves. See iter.h. */
#include "paging/iter.h"

static void refresh_at(struct iter *iter)
{
	iter->slot = iter->path[iter->level - 1] + entry_index(iter->gfn.n, iter->level);
	iter_refresh(iter);
}

static void restart(struct iter *iter)
{
	iter->yielded = false;
	iter->yielded_goal = iter->goal;
	iter->level = iter->root_level;
	iter->gfn = tdp_gfn_round(iter->goal, iter->level);
	/* A frame beyond the root's reach would come out at another's entry. */
	iter->valid = iter->goal.n < table_reach(iter->root_level);
	if (iter->valid)
		refresh_at(iter);
}

void iter_begin(struct iter *iter, struct tdp_host *host, const struct encoding *encoding,
		const struct table *root, unsigned int min_level, tdp_gfn_t start, tdp_gfn_t end)
{
	uint32_t role = u32_load_relaxed(&root->role);

	*iter = (struct iter){
		.host = host,
		.encoding = encoding,
		.end = end,
		.goal = start,
		.root_level = role_level(role),
		.min_level = min_level,
		.address_space = role_address_space(role),
	};
	CHECK(min_level >= 1 && min_level <= iter->root_level);
	iter->path[iter->root_level - 1] = table_entries(host, root);
	restart(iter);
}

/* Into the table that the entry links, if it still links one. */
static bool step_down(struct iter *iter)
{
	if (iter->level == iter->min_level)
		return false;
	/* The entry may have become a table, or another one, since it was visited. */
	iter->entry = u64_load_acquire(iter->slot);
	if (!iter_at_table(iter) ||
	    !table_is_there(iter->host, spte_pfn(iter->entry), iter->gfn, iter->level))
		return false;
	iter->level--;
	iter->path[iter->level - 1] = frame_address(iter->host, spte_pfn(iter->entry));
	iter->gfn = tdp_gfn_round(iter->goal, iter->level);
	refresh_at(iter);
	return true;
}

static bool step_side(struct iter *iter)
{
	if (entry_index(iter->gfn.n, iter->level) == TABLE_ENTRIES - 1)
		return false;
	iter->gfn.n += tdp_level_pages(iter->level);
	iter->goal = iter->gfn;
	iter->slot++;
	iter_refresh(iter);
	return true;
}

static bool step_up(struct iter *iter)
{
	if (iter->level == iter->root_level)
		return false;
	iter->level++;
	iter->gfn = tdp_gfn_round(iter->gfn, iter->level);
	refresh_at(iter);
	return true;
}

void iter_next(struct iter *iter)
{
	if (iter->yielded) {
		restart(iter);
		return;
	}
	if (step_down(iter))
		return;
	do {
		if (step_side(iter))
			return;
	} while (step_up(iter));
	iter->valid = false;
}
