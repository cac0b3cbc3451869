/*
 * Terrain: memory of the host's process that a scenario scripts, with the
 * strongest oracle there is beside the checker: what every access must see.
 *
 * A terrain is made of regions of 2M. A region lies over one 2M block of the
 * host's carve-out and is mapped huge, or by 4K in an order of its own, or either
 * way from one call to the next (TERRAIN_FLICKER). Some pages of each region are
 * tracked: their frames hold a stamp (which page, which epoch), and a word for
 * each vCPU that it alone writes.
 *
 * Promises that are checked
 *   S1  An access through the page sees the page's own stamp, of an epoch that
 *       was alive at some moment of the access. Once tdp_host_invalidate_begin()
 *       has returned the old epoch is dead: its frames are poisoned, and given to
 *       other pages, so a late read sees poison or somebody else's stamp.
 *   S2  What a vCPU wrote in an epoch it reads back in that epoch.
 *   S3  Nobody writes into a dead frame: poison stays as it was.
 *   S4  No entry of any root, valid or not, maps a dead frame at the page's place
 *       (N1 of lib/mmu/invalidate.h).
 */
#ifndef TESTS_SUPPORT_TERRAIN_H
#define TESTS_SUPPORT_TERRAIN_H

#include "support/stress.h"

#define TERRAIN_TRACKED 8 /* pages of a region */
#define TERRAIN_WORDS	(1 + STRESS_VCPUS_MAX)

#define TERRAIN_POISON 0xdeadbeefdeadbeefULL
#define TERRAIN_MAGIC  0x5a17ULL

enum terrain_shape {
	TERRAIN_SMALL,	 /* by 4K, not in the order of the frames */
	TERRAIN_HUGE,	 /* by 2M */
	TERRAIN_FLICKER, /* in order; at 2M or at 4K, as each question is answered */
};

/* How a terrain behaves; nothing set: any shape, writable. */
struct terrain_config {
	unsigned int regions;
	bool small_only, huge_only, flicker_only;
	/*
	 * Regions begin readable and huge; the first write makes them writable and
	 * small in the same frames: rights are added, so nobody is told.
	 */
	bool write_breaks;
	/* Flickering regions answer by the half: 4K for pages of the lower, 2M for the upper. */
	bool halves;
};

struct terrain_page {
	uint64_t id;
	atomic_u64 born; /* newest epoch; stored by who changes the region, before it shows */
	atomic_u64 dead; /* newest epoch whose invalidation has begun; likewise */
	atomic_u64 pfn;	 /* frame while the region is small */
};

/* A living page's first word. */
static inline uint64_t terrain_stamp(const struct terrain_page *page, uint64_t epoch)
{
	return TERRAIN_MAGIC << 48 | page->id << 32 | (epoch & 0xffffffff);
}

struct terrain_region {
	atomic_u32 busy;  /* 1: somebody changes the region; taken by swap */
	atomic_u64 state; /* shape, writable, block; stored by the holder of busy, release */
	tdp_pfn_t spare;  /* a poisoned frame of the block; the holder of busy's */
	struct terrain_page pages[TERRAIN_TRACKED];
};

/* Where a slot lays the terrain, for S4. */
struct terrain_place {
	unsigned int address_space;
	tdp_gfn_t gfn;
};

struct terrain {
	struct stress *stress;
	struct terrain_place places[2];
	struct terrain_config config;
	struct tdp_backing backing;
	tdp_pfn_t first;	 /* of its frames */
	unsigned int blocks;	 /* 2M each; more than regions */
	atomic_u64 coin;	 /* of flickering answers */
	atomic_u64 answers;	 /* to resolve(), counted */
	atomic_u64 blocks_taken; /* bits */
	struct terrain_region regions[];
};

/* NULL: no memory. */
struct terrain *terrain_create(struct stress *stress, const struct terrain_config *config);

static inline uint64_t terrain_frames(const struct terrain *terrain)
{
	return (uint64_t)terrain->config.regions * tdp_level_pages(TDP_2M);
}

static inline unsigned int terrain_pages(const struct terrain *terrain)
{
	return terrain->config.regions * TERRAIN_TRACKED;
}

/* Frames from the terrain's beginning to tracked page `page`. */
uint64_t terrain_offset(unsigned int page);

/* What one vCPU remembers of a tracked page: what it wrote, and in which epoch. */
struct terrain_memory {
	uint64_t epoch, value;
	bool unsure; /* the value may have been written in a later epoch */
};
/* For each vCPU, terrain_pages() of them. */
struct terrain_memory *terrain_memories(struct stress *stress, const struct terrain *terrain);

/*
 * Visits tracked page `page` of the terrain, which lies at `gfn`: reads, perhaps
 * writes, and judges what was seen (S1, S2). *outcome is that of the last access;
 * only a visit with TDP_ACCESS_DONE was judged.
 */
int terrain_visit(struct player *player, struct terrain *terrain, struct terrain_memory *memories,
		  tdp_gfn_t gfn, unsigned int page, bool write, enum tdp_outcome *outcome);

/*
 * Changes of the host under the guest. Each does nothing if somebody else is at
 * that region. Returns the verdict (S3).
 */
int terrain_move_page(struct player *player, struct terrain *terrain, unsigned int page);
int terrain_move_region(struct player *player, struct terrain *terrain, unsigned int region);
/* Every page of the terrain at once, each region in its place. */
int terrain_move_all(struct player *player, struct terrain *terrain);
/* Tells of an invalidation in which nothing changes, over a random range. */
void terrain_bother(struct player *player, struct terrain *terrain);

/*
 * For who has seen to it by other means (a slot deleted) that nothing maps the
 * terrain: every epoch is dead, and nobody may write or read. Between the two no
 * region can be changed by anybody else.
 */
int terrain_close(struct player *player, struct terrain *terrain);
int terrain_open(struct player *player, struct terrain *terrain);

/* Is the frame one of the terrain's? For judging entries. */
bool terrain_owns(const struct terrain *terrain, tdp_pfn_t pfn);

#endif
