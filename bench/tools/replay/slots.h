/*
 * The memslots as the trace's calls made them.
 */
#ifndef REPLAY_SLOTS_H
#define REPLAY_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#define SLOTS_SPACES 2
#define SLOTS_MAX    64 /* of an address space */

struct slot {
	bool used, read_only, logged;
	uint64_t gpa, bytes, hva;
};

struct slots {
	struct slot slot[SLOTS_SPACES][SLOTS_MAX];
};

/* Does the range of host addresses touch any slot? */
bool slots_hit(const struct slots *slots, uint64_t start, uint64_t end);
/* The slot that holds `gpa`, or NULL. */
const struct slot *slots_find(const struct slots *slots, unsigned int as_id, uint64_t gpa);
/* Slot `id` of an address space, or NULL if it is beyond what is kept. */
struct slot *slots_at(struct slots *slots, unsigned int as_id, unsigned int id);

#endif
