/*
 * Fields: slots over anonymous memory, whose pages the host takes back and gives
 * to others while vCPUs use them.
 *
 * Promise that is checked
 *   D1  What a vCPU wrote it reads back until the page is discarded; nobody else
 *       writes there. A stale translation would read or write a frame that is by
 *       then another page's, where its word of another page lies.
 */
#ifndef TESTS_SUPPORT_FIELD_H
#define TESTS_SUPPORT_FIELD_H

#include "support/stress.h"

#define FIELD_SPOTS 8 /* pages of a chunk that are used */

struct field_memory {
	uint64_t turn, value;
};

struct field {
	struct tdp_anon *anon;
	tdp_gfn_t gfn;
	unsigned int chunks; /* what is discarded at once */
	uint64_t chunk_bytes;
	struct field_memory *memories; /* of each vCPU, for each spot */
	/* Of each chunk: odd while it is being discarded; changed by swap, acquire-release. */
	atomic_u32 *turns;
};

/* `chunks` chunks of one page, or of 16 pages of 4K. NULL if it cannot be. */
struct field *field_create(struct stress *stress, unsigned int id, tdp_gfn_t gfn,
			   enum tdp_level page, unsigned int chunks);

static inline uint64_t field_frames(const struct field *field)
{
	return field->chunks * field->chunk_bytes >> TDP_PAGE_SHIFT;
}

int field_visit(struct player *player, struct field *field);   /* vCPU: a random spot */
int field_discard(struct player *player, struct field *field); /* a random chunk */

#endif
