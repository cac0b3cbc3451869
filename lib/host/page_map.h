/*
 * Page map: which frames hold the pages of a memory, by page index
 *
 * The owner of a memory (an anonymous mapping, a file) has one map of it. A record of
 * the map stands for the memory that is allocated and freed in one piece. It covers
 * `tdp_level_pages(record_level)` pages, and holds the first frame and the level at
 * which the memory may be mapped:
 *
 *   level == record level   a record is one folio
 *   level < record level    memory is allocated ahead of its pages (an extent), or a
 *                           folio was split: the frames are still contiguous
 *   level > record level    a folio spans several records, each of which says so
 *
 * A map with `tracks_pages` has a bit for each page of a record: such a page is in the map
 * only from its first fill until it is discarded, and the record is freed with its last page.
 *
 * There is no lock. A record's word is claimed (PAGE_MAP_BUSY) by compare-and-swap, for one
 * allocation or one decision to free, and others wait for that record only. The claim comes
 * before the allocation, so that nobody holds a second folio of a reserved pool even
 * for a moment.
 *
 * Promises
 *   P1  Two lookups of a page that is not discarded in between agree.
 *   P2  A record is freed when none of its pages is in the map, and not before: a page
 *       outside of the range being discarded stays where it is.
 *   P3  A failed fill leaves everything as it was, but for a directory leaf.
 *   P4  page_map_find() and page_map_peek() allocate nothing and wait for nobody;
 *       page_map_fill() and page_map_discard() wait for a claimed record only, whose
 *       claimer waits for no grace period (S1 of guest/source.h).
 *
 * Order
 *   P2 is a race of two sides that each write one word and read the other: a lookup sets
 *   the page's bit, then reads the record's word again; a discard claims the word, then reads
 *   the bits. All four accesses are sequentially consistent, so either the discard sees
 *   the bit or the lookup sees the word changed, and starts over. A lookup that finds
 *   its bit set reads the word again all the same: the bit may be that of another
 *   lookup which is about to start over.
 *   Publishing a frame is a release, the first look at it an acquire.
 */
#ifndef TDPSIM_HOST_PAGE_MAP_H
#define TDPSIM_HOST_PAGE_MAP_H

#include "host/directory.h"
#include "host/folio.h"
#include "platform/charge.h"

struct page_map_config {
	struct tdp_host *host;
	uint64_t pages;		   /* 4K pages of the memory */
	unsigned int record_level; /* TDP_4K, TDP_2M or TDP_1G; TDP_2M with tracks_pages */
	bool tracks_pages;
	unsigned int level; /* at which new memory may be mapped */
	int node;	    /* preferred for new memory; negative: that of the caller */
	enum folio_source source;
};

struct page_map {
	struct page_map_config config; /* immutable */
	struct directory records;      /* by page / pages of a record */
};

/* A page that is in the map. */
struct mapped_page {
	tdp_pfn_t pfn;
	unsigned int level;
};

/*
 * A record's word: PAGE_MAP_NONE, PAGE_MAP_BUSY while one actor allocates or frees, or the
 * frame, its level and PAGE_MAP_PRESENT. Written by the actor that claimed it, with release.
 */
#define PAGE_MAP_NONE	     ((uint64_t)0)
#define PAGE_MAP_BUSY	     ((uint64_t)1)
#define PAGE_MAP_PRESENT     ((uint64_t)2)
#define PAGE_MAP_LEVEL_SHIFT 2
#define PAGE_MAP_PFN_SHIFT   4

/* Of a map that tracks pages; of any other a record is the word alone. */
#define EXTENT_PAGES 512
#define EXTENT_WORDS (EXTENT_PAGES / 64)

struct extent {
	atomic_u64 word; /* first, as in any other record */
	/*
	 * A bit for each page in the map. Set by any lookup or fill, cleared by a discard, or by
	 * a claimer that failed to allocate.
	 */
	atomic_u64 touched[EXTENT_WORDS];
};

/* -ENOMEM */
int page_map_init(struct page_map *map, const struct page_map_config *config);
/* Frees all memory, too. */
void page_map_fini(struct page_map *map);

static inline uint64_t page_map_bit(uint64_t page)
{
	return (uint64_t)1 << (page % 64);
}

static inline tdp_pfn_t page_map_pfn(uint64_t word)
{
	return tdp_pfn(word >> PAGE_MAP_PFN_SHIFT);
}

static inline unsigned int page_map_word_level(uint64_t word)
{
	return word >> PAGE_MAP_LEVEL_SHIFT & 3;
}

/* Puts the page into the map; false if the record is no longer what was `seen`. */
__attribute__((always_inline)) static inline bool extent_touch(struct extent *extent, uint64_t page,
							       uint64_t seen)
{
	atomic_u64 *touched = &extent->touched[page % EXTENT_PAGES / 64];

	if (__builtin_expect(!(u64_load_seq_cst(touched) & page_map_bit(page)), 0)) {
		u64_or_seq_cst(touched, page_map_bit(page));
		charge(CHARGE_PAGE_CLEAR, 1);
	}
	return u64_load_seq_cst(&extent->word) == seen;
}

__attribute__((always_inline)) static inline bool page_map_find_in_extent(
	const struct page_map *map, uint64_t page, struct mapped_page *found)
{
	struct extent *extent = directory_find(&map->records, page / EXTENT_PAGES, sizeof(*extent));
	uint64_t word = extent ? u64_load_acquire(&extent->word) : PAGE_MAP_NONE;

	if (!(word & PAGE_MAP_PRESENT) || !extent_touch(extent, page, word))
		return false;
	found->pfn = tdp_pfn(page_map_pfn(word).n + page % EXTENT_PAGES);
	found->level = page_map_word_level(word);
	return true;
}

__attribute__((always_inline)) static inline bool page_map_find_in_word(const struct page_map *map,
									uint64_t page,
									struct mapped_page *found)
{
	unsigned int shift = 9 * (map->config.record_level - 1);
	const atomic_u64 *at = directory_find(&map->records, page >> shift, sizeof(*at));
	uint64_t word = at ? u64_load_acquire(at) : PAGE_MAP_NONE;

	found->pfn = tdp_pfn(page_map_pfn(word).n + (page - (page >> shift << shift)));
	found->level = page_map_word_level(word);
	return word & PAGE_MAP_PRESENT;
}

/* A page where there is memory already, as most faults find it. False: page_map_fill(). */
__attribute__((always_inline)) static inline bool page_map_find(const struct page_map *map,
								uint64_t page,
								struct mapped_page *found)
{
	return __builtin_expect(map->config.tracks_pages, 1)
		       ? page_map_find_in_extent(map, page, found)
		       : page_map_find_in_word(map, page, found);
}

/* The same, with memory allocated if need be. -ENOMEM. */
int page_map_fill(struct page_map *map, struct host_caller *caller, uint64_t page,
		  struct mapped_page *found);

/* The page if it is in the map; changes nothing. -ENOENT; -EAGAIN: its record is changing. */
int page_map_peek(const struct page_map *map, uint64_t page, struct mapped_page *found);

/* The level at which `page` may be mapped now, TDP_4K where there is no memory. */
static inline unsigned int page_map_level(const struct page_map *map, uint64_t page)
{
	struct mapped_page found;

	if (map->config.level == TDP_4K)
		return TDP_4K;
	if (map->config.tracks_pages)
		return page_map_peek(map, page, &found) ? TDP_4K : found.level;
	return page_map_find_in_word(map, page, &found) ? found.level : TDP_4K;
}

/* Takes pages [first, past) out of the map. Nobody maps them any more (guest/anon.c). */
void page_map_discard(struct page_map *map, uint64_t first, uint64_t past);

/* Pages in the map where it tracks them, else records with memory. A snapshot. */
uint64_t page_map_touched(const struct page_map *map);

#endif
