/* Lockless table iterator: its three moves. See iter.h. */
#include "paging/iter.h"

static void refresh_at(struct iter *iter)
{
	iter->at.slot =
		iter->path[iter->at.level - 1] + entry_index(iter->at.gfn.n, iter->at.level);
	iter_refresh(iter);
}

static void restart(struct iter *iter)
{
	iter->yielded = false;
	iter->yielded_goal = iter->goal;
	iter->at.level = iter->root_level;
	iter->at.gfn = tdp_gfn_round(iter->goal, iter->at.level);
	/* An index computed from a frame beyond the root's reach would be that of another entry. */
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
		.at.address_space = role_address_space(role),
		.at.closed = role & ROLE_INVALID,
	};
	CHECK(min_level >= 1 && min_level <= iter->root_level);
	iter->path[iter->root_level - 1] = table_entries(host, root);
	restart(iter);
}

atomic_u64 *iter_table_below(struct iter *iter)
{
	/* The entry may have become a table, or link another table, since the last move. */
	iter->at.entry = u64_load_acquire(iter->at.slot);
	if (!iter_at_table(iter) ||
	    !table_is_linked(iter->host, iter->at.entry, iter->at.gfn, iter->at.level))
		return NULL;
	return table_linked(iter->host, iter->at.entry);
}

/* Down into the table that the entry links, if it still links one. */
static bool step_down(struct iter *iter)
{
	atomic_u64 *below;

	if (iter->at.level == iter->min_level)
		return false;
	below = iter_table_below(iter);
	if (!below)
		return false;
	iter->at.level--;
	iter->path[iter->at.level - 1] = below;
	iter->at.gfn = tdp_gfn_round(iter->goal, iter->at.level);
	refresh_at(iter);
	return true;
}

static bool step_side(struct iter *iter)
{
	if (entry_index(iter->at.gfn.n, iter->at.level) == TABLE_ENTRIES - 1)
		return false;
	iter->at.gfn.n += tdp_level_pages(iter->at.level);
	iter->goal = iter->at.gfn;
	iter->at.slot++;
	iter_refresh(iter);
	return true;
}

static bool step_up(struct iter *iter)
{
	if (iter->at.level == iter->root_level)
		return false;
	iter->at.level++;
	iter->at.gfn = tdp_gfn_round(iter->at.gfn, iter->at.level);
	refresh_at(iter);
	return true;
}

/* Moves sideways, at this level or at a level above; else the walk is over. */
static void step_on(struct iter *iter)
{
	do {
		if (step_side(iter))
			return;
	} while (step_up(iter));
	iter->valid = false;
}

void iter_next(struct iter *iter)
{
	if (iter->yielded) {
		restart(iter);
		return;
	}
	if (!step_down(iter))
		step_on(iter);
}

void iter_next_beside(struct iter *iter)
{
	if (iter->yielded)
		restart(iter);
	else
		step_on(iter);
}
