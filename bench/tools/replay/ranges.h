/*
 * The host memory of the process under KVM, as its HOST backing lines describe it.
 */
#ifndef REPLAY_RANGES_H
#define REPLAY_RANGES_H

#include "trace/event.h"

struct range {
	uint64_t hva, bytes;
	unsigned int level; /* of its pages; 0: faults show it, page by page */
	/* In this part faults show the level: the host collapsed it. */
	uint64_t shown_start, shown_end;
	struct range *next;
};

struct ranges {
	struct range *youngest;
};

/* Adds the range of a HOST backing line. False without memory. */
bool ranges_add(struct ranges *ranges, const struct event *event);
struct range *ranges_find(const struct ranges *ranges, uint64_t hva);
void ranges_free(struct ranges *ranges);

#endif
