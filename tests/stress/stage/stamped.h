/*
 * Stamped memory: memory that a scenario scripts, of which it knows what every access must
 * see. Besides the checker it is the strongest check of the stress tests.
 *
 * It has regions of 2M. A region occupies a 2M block of the host's carve-out. The backing
 * maps it by 2M, or by 4K in a shuffled order, or changes its answer from call to call
 * (STAMPED_MIXED). Some pages of each region are tracked. The frame of a tracked page holds
 * a stamp, which names the page and its epoch, and one word for each vCPU that only this
 * vCPU writes. A page begins a new epoch whenever the host moves it to another frame.
 *
 * Promises that are checked
 *   S1  An access sees the stamp of its own page, of an epoch that was current at some moment
 *       of the access. After tdp_host_invalidate_begin() has returned, the old epoch is over:
 *       its frames are poisoned and later given to other pages, so a late read sees poison or
 *       the stamp of another page.
 *   S2  A vCPU reads back what it wrote in the same epoch.
 *   S3  Nothing writes to a frame after the epoch is over: its poison does not change.
 *   S4  No entry of any root, valid or not, maps such a frame at the place of the page
 *       (N1 of lib/mmu/invalidate.h).
 */
#ifndef TESTS_STRESS_STAGE_STAMPED_H
#define TESTS_STRESS_STAGE_STAMPED_H

#include "stress/stage/stress.h"

#define STAMPED_PAGES 8 /* pages of a region */
#define STAMPED_WORDS (1 + STRESS_VCPUS_MAX)

#define STAMPED_POISON 0xdeadbeefdeadbeefULL
#define STAMPED_MAGIC  0x5a17ULL

enum stamped_shape {
	STAMPED_4K,    /* by 4K, in shuffled order */
	STAMPED_2M,    /* by 2M */
	STAMPED_MIXED, /* in order; each call of level() answers 2M or 4K */
};

/* All zero: regions of any shape, writable. */
struct stamped_config {
	unsigned int regions;
	bool small_only, huge_only, mixed_only;
	/*
	 * Regions start as read-only 2M. The first write makes them writable 4K in the same
	 * frames, without a notification, because rights are only added.
	 */
	bool write_breaks;
	/* STAMPED_MIXED answers 4K in the lower half of a region and 2M in the upper half. */
	bool halves;
};

struct stamped_page {
	uint64_t id;
	atomic_u64 born; /* newest epoch; stored by the holder of busy before the frame can be
			    mapped */
	atomic_u64 dead; /* newest epoch that is over; stored by the holder of busy after begin */
	atomic_u64 pfn;	 /* frame while the region is small */
};

/* The stamp: the first word of a page. */
static inline uint64_t stamped_word(const struct stamped_page *page, uint64_t epoch)
{
	return STAMPED_MAGIC << 48 | page->id << 32 | (epoch & 0xffffffff);
}

struct stamped_region {
	atomic_u32
		busy; /* a lock: 1 while a player changes the region; taken by compare-and-swap */
	atomic_u64 state; /* shape, writable, block; stored by the holder of busy, release */
	tdp_pfn_t spare;  /* a poisoned frame of the block; protected by busy */
	struct stamped_page pages[STAMPED_PAGES];
};

/* Where a slot maps the memory, for S4. */
struct stamped_place {
	unsigned int address_space;
	tdp_gfn_t gfn;
};

struct stamped {
	struct stress *stress;
	struct stamped_place places[2];
	struct stamped_config config;
	struct tdp_backing backing;
	tdp_pfn_t first;	 /* of its frames */
	unsigned int blocks;	 /* 2M each; more than regions */
	atomic_u64 coin;	 /* answers of level() to STAMPED_MIXED; relaxed */
	atomic_u64 answers;	 /* calls of resolve(); relaxed */
	atomic_u64 blocks_taken; /* a bit for each block; changed by compare-and-swap and by and,
				    acquire-release */
	struct stamped_region regions[];
};

/* NULL if there is no memory. */
struct stamped *stamped_create(struct stress *stress, const struct stamped_config *config);

static inline uint64_t stamped_frames(const struct stamped *memory)
{
	return (uint64_t)memory->config.regions * tdp_level_pages(TDP_2M);
}

static inline unsigned int stamped_pages(const struct stamped *memory)
{
	return memory->config.regions * STAMPED_PAGES;
}

/* The index, in frames, of tracked page `page`. */
uint64_t stamped_offset(unsigned int page);

/* What one vCPU remembers of a tracked page: what it wrote, and in which epoch. */
struct stamped_record {
	uint64_t epoch, value;
	bool unsure; /* the value may have been written in a later epoch */
};
/* An array of stamped_pages() records for each vCPU. */
struct stamped_record *stamped_records(struct stress *stress, const struct stamped *memory);

/*
 * Reads tracked page `page`, which is mapped at `gfn`, writes it if asked to, and checks S1
 * and S2. Stores the outcome of the last access; only TDP_ACCESS_DONE is checked.
 */
int stamped_visit(struct player *player, struct stamped *memory, struct stamped_record *records,
		  tdp_gfn_t gfn, unsigned int page, bool write, enum tdp_outcome *outcome);

/*
 * Changes that the host makes. Each does nothing while another player changes the region.
 * Returns 0, or a negative number if S3 or S4 is broken.
 */
int stamped_move_page(struct player *player, struct stamped *memory, unsigned int page);
int stamped_move_region(struct player *player, struct stamped *memory, unsigned int region);
/* All pages at once; each region keeps its block. */
int stamped_move_all(struct player *player, struct stamped *memory);
/* Invalidates a random range without a change. */
void stamped_invalidate(struct player *player, struct stamped *memory);

/*
 * For a caller that has deleted the slot, so that nothing maps the memory: close ends every
 * epoch, open begins new ones. In between no other player can change a region.
 */
int stamped_close(struct player *player, struct stamped *memory);
int stamped_open(struct player *player, struct stamped *memory);

/* Whether the frame belongs to the memory. */
bool stamped_owns(const struct stamped *memory, tdp_pfn_t pfn);

#endif
