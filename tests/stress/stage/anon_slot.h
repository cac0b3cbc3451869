/*
 * Anonymous slots: memslots over anonymous memory, whose pages the host discards and gives to
 * other pages while vCPUs use them.
 *
 * Promise that is checked
 *   D1  A vCPU reads back what it wrote until the page is discarded; no other vCPU writes the
 *       word. A stale translation would access a frame that belongs to another page by then,
 *       whose word differs.
 */
#ifndef TESTS_STRESS_STAGE_ANON_SLOT_H
#define TESTS_STRESS_STAGE_ANON_SLOT_H

#include "stress/stage/stress.h"

#define ANON_SLOT_SAMPLES 8 /* pages of a chunk that are accessed */

struct anon_slot_record {
	uint64_t turn, value;
};

struct anon_slot {
	struct tdp_anon *anon;
	tdp_gfn_t gfn;
	unsigned int chunks; /* each is discarded as a whole */
	uint64_t chunk_bytes;
	struct anon_slot_record *records; /* of each vCPU, for each sample */
	/* Of each chunk: odd while it is being discarded; changed with acquire-release. */
	atomic_u32 *turns;
};

/* A chunk is one page, or 16 pages of 4K. NULL if there is no memory or slot. */
struct anon_slot *anon_slot_create(struct stress *stress, unsigned int id, tdp_gfn_t gfn,
				   enum tdp_level page, unsigned int chunks);

static inline uint64_t anon_slot_frames(const struct anon_slot *slot)
{
	return slot->chunks * slot->chunk_bytes >> TDP_PAGE_SHIFT;
}

int anon_slot_visit(struct player *player, struct anon_slot *slot);   /* vCPU: a random sample */
int anon_slot_discard(struct player *player, struct anon_slot *slot); /* a random chunk */

#endif
