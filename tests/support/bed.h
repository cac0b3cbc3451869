/*
 * Beds: a few pages of scripted memory for small scenarios. What a terrain (terrain.h)
 * tells by epochs a bed tells by copying, in fewer steps: where the host moves a page it
 * takes the data along, so nothing that was written is ever lost.
 *
 * Promises that are checked
 *   B1  A read sees the page's own stamp, and the last word that the vCPU itself wrote.
 *       Once tdp_host_invalidate_begin() has returned the page's old frame is poisoned:
 *       who still reads through it sees that.
 *   B2  At the end of a round each page holds its stamp and the last word that each
 *       vCPU wrote, and poison lies in the frames that no page uses: who wrote through
 *       a stale translation has missed the one and hit the other.
 *   B3  Where the scenario asks for it: once begin has returned no root, valid or not,
 *       maps the old frame.
 */
#ifndef TESTS_SUPPORT_BED_H
#define TESTS_SUPPORT_BED_H

#include "support/stress.h"

#define BED_PAGES 4 /* that are used: 0 and 1 lie in the lower half, 2 and 3 in the upper */
#define BED_VCPUS 4
#define BED_WORDS (1 + BED_VCPUS)

enum bed_shape {
	BED_SMALL,	  /* eight pages, mapped by 4K */
	BED_HUGE,	  /* 2M, mapped as such */
	BED_HUGE_TO_READ, /* likewise, not writable; the first write makes it small, in place */
	BED_HALVES,	  /* by 4K if a fault asks in the lower half, else by 2M */
};

struct bed_config {
	enum bed_shape shape;
	unsigned int address_space, slot;
	uint64_t gfn;	/* where it lies; a multiple of 2M */
	uint64_t pages; /* of the slot, if it is to go beyond those that are used; else 0 */
	bool absent;	/* there is no slot yet */
	bool witness;	/* B3 */
};

struct bed {
	struct stress *stress;
	struct bed_config config;
	struct tdp_backing backing;
	uint64_t pages;	  /* of the slot, as used */
	tdp_pfn_t first;  /* of two blocks */
	atomic_u32 small; /* a BED_HUGE_TO_READ has been written to; release */
	/* Which block the page lies in; stored by who moves it, release. If it is huge, page 0's.
	 */
	atomic_u32 block[BED_PAGES];
	uint64_t written[BED_VCPUS][BED_PAGES]; /* each vCPU's own; read when nobody acts */
	bool closed;
	uint64_t saved[BED_PAGES][BED_WORDS]; /* while it is closed; who closes it has both */
};

/* NULL if it cannot be. */
struct bed *bed_create(struct stress *stress, const struct bed_config *config);

/*
 * One access of the player's vCPU to a page of the bed, or where the page would be if
 * the slot lay at `gfn`. What is done is judged (B1), and with no `outcome` it must be.
 */
int bed_read_at(struct player *player, struct bed *bed, uint64_t gfn, unsigned int page,
		enum tdp_outcome *outcome);
int bed_write_at(struct player *player, struct bed *bed, uint64_t gfn, unsigned int page,
		 enum tdp_outcome *outcome);
int bed_read(struct player *player, struct bed *bed, unsigned int page);
int bed_write(struct player *player, struct bed *bed, unsigned int page);
int bed_fetch(struct player *player, struct bed *bed, unsigned int page);

/* The host moves the page, and those that share its huge page, under the guest (B3). */
int bed_move(struct player *player, struct bed *bed, unsigned int page);
/* Unmaps all of it. For who prepares a round: a BED_HUGE_TO_READ is huge again. */
void bed_unmap(struct bed *bed);

/* Creates, moves or (no pages) deletes the slot. */
int bed_set_slot(struct player *player, const struct bed *bed, uint64_t gfn, uint64_t pages);
/* Writes to it are logged, or no longer. */
int bed_log(struct player *player, const struct bed *bed, bool on);
/*
 * For who has seen to it by other means that nothing maps it: all frames are poisoned,
 * and later (B2) have their data again.
 */
void bed_close(struct bed *bed);
int bed_open(struct player *player, struct bed *bed);

/* B2, when nobody acts; what was closed is open again. */
int bed_settle(struct player *player, struct bed *bed);

/* For prepare() and settle() of a scenario whose players' `arg` is its one bed. */

/*
 * Each vCPU has a root loaded and tables at hand, those on the way to the bed are
 * there, and all of it is unmapped.
 */
int bed_prepare(struct player *player);
int bed_judge(struct player *player); /* bed_settle() */

/* Number 0 to 3: the gfn of a page, relative to where the slot lies. */
uint64_t bed_offset(const struct bed *bed, unsigned int page);

/* The player that acts for vCPU i: for who prepares a round on behalf of others. */
static inline struct player *bed_player(struct player *player, unsigned int i)
{
	return &player->stress->players[i];
}

#endif
