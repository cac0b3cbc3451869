/*
 * Anonymous memory, inside: the mapping and the records of what it holds.
 *
 * A chunk is the memory that is taken and given back in one piece: a page of
 * the mapping's size, or a 2M extent under 4K pages (TDP_ANON_EXTENTS).
 */
#ifndef TDPSIM_HOST_ANON_H
#define TDPSIM_HOST_ANON_H

#include "host/directory.h"
#include "host/folio.h"
#include "platform/charge.h"

#define EXTENT_PAGES 512
#define EXTENT_WORDS (EXTENT_PAGES / 64)

struct tdp_anon {
	struct tdp_host *host; /* immutable, as is everything here */
	struct tdp_anon_config config;
	struct tdp_backing backing;
	bool extents;		  /* chunks are struct extent, else atomic_u64 alone */
	unsigned int chunk_level; /* TDP_4K, TDP_2M or TDP_1G */
	enum folio_source source;
	struct directory chunks; /* by offset / bytes of a chunk */
};

/*
 * A chunk's word: CHUNK_NONE, CHUNK_BUSY while one actor makes up its mind, or
 * the frame and CHUNK_PRESENT. Written by whoever moved it to CHUNK_BUSY. The
 * orders are explained in chunk.c.
 */
#define CHUNK_NONE    ((uint64_t)0)
#define CHUNK_BUSY    ((uint64_t)1)
#define CHUNK_PRESENT ((uint64_t)2)
#define CHUNK_SHIFT   2

struct extent {
	atomic_u64 word; /* first: an extent begins as any other chunk does */
	/*
	 * A bit for each page touched. Set by any resolver, cleared by a discard, or
	 * by who failed to get memory while he held CHUNK_BUSY.
	 */
	atomic_u64 touched[EXTENT_WORDS];
};

static inline uint64_t page_bit(uint64_t page)
{
	return (uint64_t)1 << (page % 64);
}

/* Is `seen` still the extent's memory, and will be as long as the page is not discarded? */
static inline bool extent_touch(struct extent *extent, uint64_t page, uint64_t seen)
{
	atomic_u64 *touched = &extent->touched[page % EXTENT_PAGES / 64];

	if (__builtin_expect(!(u64_load_seq_cst(touched) & page_bit(page)), 0)) {
		u64_or_seq_cst(touched, page_bit(page));
		charge(CHARGE_PAGE_CLEAR, 1);
	}
	return u64_load_seq_cst(&extent->word) == seen;
}

/*
 * The frame of page `page` (4K) in a mapping of extents where there is memory already:
 * what most faults meet. False: chunk_resolve() knows more.
 */
static inline bool extent_find(const struct tdp_anon *anon, uint64_t page, tdp_pfn_t *pfn)
{
	struct extent *extent = directory_find(&anon->chunks, page / EXTENT_PAGES, sizeof(*extent));
	uint64_t word = extent ? u64_load_acquire(&extent->word) : CHUNK_NONE;

	if (!(word & CHUNK_PRESENT) || !extent_touch(extent, page, word))
		return false;
	*pfn = tdp_pfn((word >> CHUNK_SHIFT) + page % EXTENT_PAGES);
	return true;
}

/* The same in any other mapping. */
static inline bool chunk_find(const struct tdp_anon *anon, uint64_t page, tdp_pfn_t *pfn)
{
	unsigned int shift = 9 * (anon->chunk_level - 1);
	const atomic_u64 *at = directory_find(&anon->chunks, page >> shift, sizeof(*at));
	uint64_t word = at ? u64_load_acquire(at) : CHUNK_NONE;

	*pfn = tdp_pfn((word >> CHUNK_SHIFT) + (page - (page >> shift << shift)));
	return word & CHUNK_PRESENT;
}

/* As either of them: what the mapping's own resolve() comes to where there is memory. */
static inline bool anon_find(const struct tdp_anon *anon, uint64_t page, tdp_pfn_t *pfn)
{
	return __builtin_expect(anon->extents, 1) ? extent_find(anon, page, pfn)
						  : chunk_find(anon, page, pfn);
}

/* The level at which `page` is mapped now, 4K where there is nothing. */
static inline unsigned int anon_page_level(const struct tdp_anon *anon, uint64_t page)
{
	tdp_pfn_t pfn;

	if (anon->config.page == TDP_4K || !chunk_find(anon, page, &pfn))
		return TDP_4K;
	return anon->config.page;
}

/* anon.c: the mapping that offers `backing`; NULL if it is somebody else's. */
const struct tdp_anon *anon_behind(const struct tdp_backing *backing);

/* Frame of page `page` (4K) of the mapping, allocated if need be. -ENOMEM. */
int chunk_resolve(struct tdp_anon *anon, struct host_caller *caller, uint64_t page, tdp_pfn_t *pfn);

/* Is there memory for `page` at this moment? */
bool chunk_present(const struct tdp_anon *anon, uint64_t page);

/* The frame of `page`, if it was touched. -ENOENT; -EAGAIN: its chunk is changing. */
int chunk_peek(const struct tdp_anon *anon, uint64_t page, tdp_pfn_t *pfn);

/* Gives back 4K pages [first, end). Nobody maps them any more, see anon.c. */
void chunk_discard(struct tdp_anon *anon, uint64_t first, uint64_t end);

/* Pages of the mapping's size that have been touched. */
uint64_t chunk_touched(const struct tdp_anon *anon);

#endif
