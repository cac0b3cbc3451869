#include "ranges.h"

#include <stdlib.h>

struct range *ranges_find(const struct ranges *ranges, uint64_t hva)
{
	struct range *range = ranges->youngest;

	/* The youngest first: an address may be mapped again after a munmap. */
	while (range && !(range->hva <= hva && hva - range->hva < range->bytes))
		range = range->next;
	return range;
}

bool ranges_add(struct ranges *ranges, const struct event *event)
{
	struct range *range = calloc(1, sizeof(*range));

	if (!range)
		return false;
	range->hva = event->u.backing.hva;
	range->bytes = event->u.backing.bytes;
	range->level = event->u.backing.level;
	range->next = ranges->youngest;
	ranges->youngest = range;
	return true;
}

void ranges_free(struct ranges *ranges)
{
	struct range *range;

	while ((range = ranges->youngest) != NULL) {
		ranges->youngest = range->next;
		free(range);
	}
}
