/*
 * Plots: memory slots over a terrain that come, go and move while vCPUs use them,
 * and what an access must come to.
 *
 * Promises that are checked
 *   L1  While a plot lies at a place, accesses there are done; an MMIO entry that
 *       was left behind would show.
 *   L2  While it does not, they are MMIO, and nobody reaches its frames: once a
 *       slot has been deleted its terrain is closed (terrain.h, S1 and S3).
 */
#ifndef TESTS_SUPPORT_PLOT_H
#define TESTS_SUPPORT_PLOT_H

#include "support/terrain.h"

struct plot {
	struct terrain *terrain;
	struct terrain_memory *memories; /* of each vCPU, for each tracked page */
	unsigned int address_space, id;
	tdp_gfn_t gfn[2]; /* the places it can lie at */
	bool read_only;
	/* A count and an enum plot_state; stored with release by the one player who changes it. */
	atomic_u32 word;
};

/*
 * A new terrain with a slot over it at `first`, which may move to `second`; NULL if
 * it cannot be.
 */
struct plot *plot_create(struct stress *stress, const struct terrain_config *config,
			 unsigned int address_space, unsigned int id, tdp_gfn_t first,
			 tdp_gfn_t second, bool read_only);

/* Visits tracked page `page` where the plot is, or was, and judges the outcome (L1, L2). */
int plot_visit(struct player *player, struct plot *plot, unsigned int page, bool write);

/* Bodies of players whose `arg` is a plot. */
int plot_visitor(struct player *player);      /* vCPU: random pages, half of the visits write */
int plot_reader(struct player *player);	      /* vCPU: mostly reads */
int plot_page_mover(struct player *player);   /* the host moves pages ... */
int plot_region_mover(struct player *player); /* ... and regions, and bothers */
int plot_ager(struct player *player);	      /* the host asks what was used */
int plot_landlord(struct player *player);     /* deletes, creates and moves the slot */

/* For the one player who changes it. Delete leaves it absent for a while, then it is back. */
int plot_delete_and_create(struct player *player, struct plot *plot);
int plot_move(struct player *player, struct plot *plot);

#endif
