/*
 * Moving slots: memslots over stamped memory that are deleted, created and moved while vCPUs
 * use them, and what outcome an access must have.
 *
 * Promises that are checked
 *   L1  While a slot is at a place, accesses there are done. An MMIO entry left from before
 *       the slot would show.
 *   L2  While it is not, they are MMIO, and nothing reaches its frames: after a slot has been
 *       deleted its memory is closed (stamped.h, S1 and S3).
 */
#ifndef TESTS_STRESS_STAGE_MOVING_SLOT_H
#define TESTS_STRESS_STAGE_MOVING_SLOT_H

#include "stress/stage/stamped.h"

struct moving_slot {
	struct stamped *memory;
	struct stamped_record *records; /* of each vCPU, for each tracked page */
	unsigned int address_space, id;
	tdp_gfn_t gfn[2]; /* the two places */
	bool read_only;
	/* A count and an enum moving_slot_state; stored with release by the one player that
	 * changes the slot. */
	atomic_u32 word;
};

/*
 * Creates stamped memory and a slot over it at `first`, which may move to `second`. NULL if
 * there is no memory or the slot is refused.
 */
struct moving_slot *moving_slot_create(struct stress *stress, const struct stamped_config *config,
				       unsigned int address_space, unsigned int id, tdp_gfn_t first,
				       tdp_gfn_t second, bool read_only);

/* Visits tracked page `page` at a place of the slot and checks the outcome (L1, L2). */
int moving_slot_visit(struct player *player, struct moving_slot *slot, unsigned int page,
		      bool write);

/* Bodies of players whose `arg` is a moving slot. */
int moving_slot_visitor(struct player *player); /* vCPU: random pages, half of the visits write */
int moving_slot_reader(struct player *player);	/* vCPU: mostly reads */
int moving_slot_page_mover(struct player *player);   /* the host moves pages */
int moving_slot_region_mover(struct player *player); /* the host moves regions */
int moving_slot_ager(struct player *player);	     /* the host ages pages */
int moving_slot_changer(struct player *player);	     /* deletes, creates and moves the slot */

/* For the one player that changes the slot. The first leaves it absent for a while. */
int moving_slot_delete_and_create(struct player *player, struct moving_slot *slot);
int moving_slot_move(struct player *player, struct moving_slot *slot);

#endif
