#include "order.h"

#include <errno.h>
#include <stdlib.h>

int order_require(struct stretch *stretch, size_t before, size_t after)
{
	size_t room = stretch->edge_room ? 2 * stretch->edge_room : 256;
	struct edge *edges = stretch->edges;

	if (before == after)
		return 0;
	if (stretch->edge_count == stretch->edge_room) {
		edges = realloc(edges, room * sizeof(*edges));
		if (!edges)
			return -ENOMEM;
		stretch->edges = edges;
		stretch->edge_room = room;
	}
	edges[stretch->edge_count++] = (struct edge){before, after};
	return 0;
}

/*
 * A circle of requirements would mean that the lines contradict each other. The loop ends
 * all the same, and what is left of the circle keeps the order of the lines.
 */
void order_lower_ranks(struct stretch *stretch)
{
	bool lowered = true;

	for (size_t round = 0; lowered && round < stretch->group_count; round++) {
		lowered = false;
		for (size_t e = 0; e < stretch->edge_count; e++) {
			struct group *before = &stretch->groups[stretch->edges[e].before];
			struct group *after = &stretch->groups[stretch->edges[e].after];

			if (before->rank < after->rank)
				continue;
			before->rank = after->rank - 1;
			lowered = true;
		}
	}
}
