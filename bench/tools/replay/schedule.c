#include "schedule.h"

#include "calls.h"
#include "chain.h"
#include "group.h"
#include "order.h"

#include <stdlib.h>

/* The groups of one task follow each other; those that are not played do not count. */
static int order_tasks(struct stretch *stretch)
{
	size_t last[TASKS_MAX] = {0};
	int err = 0;

	for (size_t g = 0; g < stretch->group_count && !err; g++) {
		struct group *group = &stretch->groups[g];

		if (group->kind == GROUP_FAULT && !group->changed)
			continue;
		if (last[group->task])
			err = order_require(stretch, last[group->task] - 1, g);
		last[group->task] = g + 1;
	}
	return err;
}

static int rank_groups(struct stretch *stretch)
{
	int err = chain_rank_events(stretch);

	for (size_t g = 0; g < stretch->group_count; g++)
		stretch->groups[g].rank = stretch_rank(stretch, stretch->groups[g].place);
	if (!err)
		err = order_tasks(stretch);
	if (!err)
		err = calls_order(stretch);
	if (!err)
		order_lower_ranks(stretch);
	return err;
}

static int by_rank(const void *a, const void *b)
{
	const struct group *one = *(struct group *const *)a, *other = *(struct group *const *)b;

	if (one->rank != other->rank)
		return one->rank < other->rank ? -1 : 1;
	return one->place < other->place ? -1 : one->place > other->place;
}

int schedule_groups(struct stretch *stretch)
{
	int err = group_events(stretch);

	if (!err)
		err = rank_groups(stretch);
	if (err)
		return err;
	for (size_t g = 0; g < stretch->group_count; g++)
		stretch->order[g] = &stretch->groups[g];
	qsort(stretch->order, stretch->group_count, sizeof(struct group *), by_rank);
	return 0;
}
