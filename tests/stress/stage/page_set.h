/*
 * A page set: a few pages of scripted memory for small scenarios. It checks with fewer steps
 * than stamped memory (stamped.h): when the host moves a page it copies the data, so no
 * written data is ever lost.
 *
 * Promises that are checked
 *   B1  A read sees the stamp of the page, and the last word that the same vCPU wrote. After
 *       tdp_host_invalidate_begin() has returned, the old frame of the page is poisoned, and
 *       a read through a stale translation sees the poison.
 *   B2  At the end of a round each page holds its stamp and the last word that each vCPU
 *       wrote, and the unused frames hold poison. A write through a stale translation is
 *       missing in the one and changes the other.
 *   B3  If the scenario asks for it: after begin has returned, no root, valid or not, maps
 *       the old frame.
 */
#ifndef TESTS_STRESS_STAGE_PAGE_SET_H
#define TESTS_STRESS_STAGE_PAGE_SET_H

#include "stress/stage/stress.h"

#define PAGE_SET_PAGES 4 /* in use: 0 and 1 in the lower half, 2 and 3 in the upper half */
#define PAGE_SET_VCPUS 4
#define PAGE_SET_WORDS (1 + PAGE_SET_VCPUS)

enum page_set_shape {
	PAGE_SET_4K,		   /* eight pages, mapped by 4K */
	PAGE_SET_2M,		   /* 2M, mapped as such */
	PAGE_SET_2M_UNTIL_WRITTEN, /* read-only 2M; the first write makes it writable 4K, in place
				    */
	PAGE_SET_MIXED,		   /* 4K for a fault in the lower half, else 2M */
};

struct page_set_config {
	enum page_set_shape shape;
	unsigned int address_space, slot;
	uint64_t gfn;	  /* of the slot; a multiple of 2M */
	uint64_t pages;	  /* of the slot, if it is larger than the pages in use; else 0 */
	bool absent;	  /* page_set_create() creates no slot */
	bool check_roots; /* B3 */
};

struct page_set {
	struct stress *stress;
	struct page_set_config config;
	struct tdp_backing backing;
	uint64_t pages;	  /* of the slot */
	tdp_pfn_t first;  /* frame of two blocks */
	atomic_u32 small; /* PAGE_SET_2M_UNTIL_WRITTEN: was written; stored with release by
			     resolve() */
	/* The block that holds the page (of 2M: page 0's); stored with release by the mover. */
	atomic_u32 block[PAGE_SET_PAGES];
	uint64_t written[PAGE_SET_VCPUS]
			[PAGE_SET_PAGES]; /* each vCPU writes its row; read while no player acts */
	bool closed;
	uint64_t saved[PAGE_SET_PAGES]
		      [PAGE_SET_WORDS]; /* valid while closed; of the player that closed it */
};

/* NULL if there is no memory or the slot is refused. */
struct page_set *page_set_create(struct stress *stress, const struct page_set_config *config);

/*
 * Makes one access of the player's vCPU to a page, as if the slot were at `gfn`. Checks B1 if
 * the access is done. If `outcome` is NULL, it must be done
 */
int page_set_read_at(struct player *player, struct page_set *set, uint64_t gfn, unsigned int page,
		     enum tdp_outcome *outcome);
int page_set_write_at(struct player *player, struct page_set *set, uint64_t gfn, unsigned int page,
		      enum tdp_outcome *outcome);
int page_set_read(struct player *player, struct page_set *set, unsigned int page);
int page_set_write(struct player *player, struct page_set *set, unsigned int page);
int page_set_fetch(struct player *player, struct page_set *set, unsigned int page);

/* The host moves the page and those that share its huge page (B3). */
int page_set_move(struct player *player, struct page_set *set, unsigned int page);
/* Unmaps all pages, before a round. A PAGE_SET_2M_UNTIL_WRITTEN is read-only 2M again. */
void page_set_unmap(struct page_set *set);

/* Creates, moves or (no pages) deletes the slot. */
int page_set_set_slot(struct player *player, const struct page_set *set, uint64_t gfn,
		      uint64_t pages);
/* Begins or ends logging of its writes. */
int page_set_log(struct player *player, const struct page_set *set, bool on);
/*
 * For a caller that has unmapped the pages by other means: close poisons all frames, open
 * checks the poison and restores the data (B2).
 */
void page_set_close(struct page_set *set);
int page_set_open(struct player *player, struct page_set *set);

/* Checks B2 while no player acts; opens a closed page set. */
int page_set_verify(struct player *player, struct page_set *set);

/* For prepare() and verify_round() of a scenario whose players have a page set as `arg`. */

/*
 * Afterwards each vCPU has a root and spare tables, the upper tables of the page set exist,
 * and no page is mapped.
 */
int page_set_prepare(struct player *player);
int page_set_verify_round(struct player *player); /* page_set_verify() */

/* The gfn of page 0 to 3, relative to the slot. */
uint64_t page_set_offset(const struct page_set *set, unsigned int page);

/* The player of vCPU i, for prepare(), which acts for other players. */
static inline struct player *page_set_player(struct player *player, unsigned int i)
{
	return &player->stress->players[i];
}

#endif
