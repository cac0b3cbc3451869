/* Page maps: filling, looking without a trace, and discarding. See page_map.h. */
#include "host/page_map.h"

#include <errno.h>

#include "host/age.h"
#include "platform/check.h"
#include "platform/wait.h"

static uint64_t word_of(tdp_pfn_t pfn, unsigned int level)
{
	return pfn.n << PAGE_MAP_PFN_SHIFT | (uint64_t)level << PAGE_MAP_LEVEL_SHIFT |
	       PAGE_MAP_PRESENT;
}

static uint64_t record_pages(const struct page_map *map)
{
	return tdp_level_pages(map->config.record_level);
}

static size_t record_bytes(const struct page_map_config *config)
{
	return config->tracks_pages ? sizeof(struct extent) : sizeof(atomic_u64);
}

int page_map_init(struct page_map *map, const struct page_map_config *config)
{
	uint64_t pages = tdp_level_pages(config->record_level);

	map->config = *config;
	return directory_init(&map->records, config->host, (config->pages + pages - 1) / pages,
			      record_bytes(config));
}

void page_map_fini(struct page_map *map)
{
	page_map_discard(map, 0, map->config.pages);
	directory_fini(&map->records);
}

static atomic_u64 *touched_word(struct extent *extent, uint64_t page)
{
	return &extent->touched[page % EXTENT_PAGES / 64];
}

/*
 * Allocates the record's memory; the caller has claimed its word. A failure clears the
 * page's bit as well: an actor that set it when the extent was freed may be this one.
 */
static int allocate(struct page_map *map, struct host_caller *caller, atomic_u64 *word,
		    uint64_t page)
{
	const struct page_map_config *config = &map->config;
	tdp_pfn_t pfn;

	if (folio_alloc(caller, config->node, config->record_level, config->source, &pfn)) {
		if (config->tracks_pages)
			u64_and_acq_rel(touched_word((struct extent *)word, page),
					~page_map_bit(page));
		u64_store_release(word, PAGE_MAP_NONE);
		return -ENOMEM;
	}
	u64_store_release(word, word_of(pfn, config->level));
	return 0;
}

static atomic_u64 *find_word(const struct page_map *map, uint64_t page)
{
	return directory_find(&map->records, page / record_pages(map), map->records.record_bytes);
}

/* Puts the page into the map, as `seen`; false: the record has changed. */
static bool touch(const struct page_map *map, atomic_u64 *word, uint64_t page, uint64_t seen)
{
	return !map->config.tracks_pages || extent_touch((struct extent *)word, page, seen);
}

static struct mapped_page page_at(const struct page_map *map, uint64_t word, uint64_t page)
{
	return (struct mapped_page){
		.pfn = tdp_pfn(page_map_pfn(word).n + page % record_pages(map)),
		.level = page_map_word_level(word),
	};
}

int page_map_fill(struct page_map *map, struct host_caller *caller, uint64_t page,
		  struct mapped_page *found)
{
	atomic_u64 *word = directory_make(&map->records, page / record_pages(map));
	struct waiting waiting = {0};
	uint64_t seen;

	if (!word)
		return -ENOMEM;
	for (;;) {
		seen = u64_load_acquire(word);
		if (seen == PAGE_MAP_BUSY) {
			platform_pause(&waiting);
			continue;
		}
		if (seen != PAGE_MAP_NONE) {
			if (touch(map, word, page, seen))
				break;
			continue;
		}
		if (!u64_cas_seq_cst(word, &seen, PAGE_MAP_BUSY))
			continue;
		if (allocate(map, caller, word, page))
			return -ENOMEM;
		if (!map->config.tracks_pages)
			charge(CHARGE_PAGE_CLEAR, record_pages(map));
	}
	*found = page_at(map, seen, page);
	return 0;
}

int page_map_peek(const struct page_map *map, uint64_t page, struct mapped_page *found)
{
	atomic_u64 *word = find_word(map, page);
	uint64_t seen = word ? u64_load_acquire(word) : PAGE_MAP_NONE;

	if (seen == PAGE_MAP_BUSY)
		return -EAGAIN;
	if (seen == PAGE_MAP_NONE)
		return -ENOENT;
	if (map->config.tracks_pages &&
	    !(u64_load_acquire(touched_word((struct extent *)word, page)) & page_map_bit(page)))
		return -ENOENT;
	*found = page_at(map, seen, page);
	return 0;
}

/* Claims a present word, after any other claimer; PAGE_MAP_NONE if there is no memory. */
static uint64_t claim(atomic_u64 *word)
{
	struct waiting waiting = {0};
	uint64_t seen;

	for (;;) {
		seen = u64_load_acquire(word);
		if (seen == PAGE_MAP_NONE)
			return seen;
		if (seen == PAGE_MAP_BUSY)
			platform_pause(&waiting);
		else if (u64_cas_seq_cst(word, &seen, PAGE_MAP_BUSY))
			return seen;
	}
}

static bool extent_untouched(const struct extent *extent)
{
	for (unsigned int i = 0; i < EXTENT_WORDS; i++) {
		if (u64_load_seq_cst(&extent->touched[i]))
			return false;
	}
	return true;
}

/* Frees the record's memory if none of its pages is in the map (P2). */
static void free_unused(struct page_map *map, atomic_u64 *word)
{
	uint64_t seen = claim(word);

	if (seen == PAGE_MAP_NONE)
		return;
	if (map->config.tracks_pages && !extent_untouched((struct extent *)word)) {
		u64_store_release(word, seen);
		return;
	}
	folio_free(map->config.host, page_map_pfn(seen), map->config.record_level);
	u64_store_release(word, PAGE_MAP_NONE);
}

/* The bits of pages [first, end) in a word of touched bits that begins at page `base`. */
static uint64_t range_bits(uint64_t base, uint64_t first, uint64_t end)
{
	uint64_t bits = UINT64_MAX;

	if (first >= base + 64 || end <= base)
		return 0;
	if (first > base)
		bits &= UINT64_MAX << (first - base);
	if (end < base + 64)
		bits &= UINT64_MAX >> (base + 64 - end);
	return bits;
}

/* Reports that pages `bits` of an extent, from its page `from` on, have lost their content. */
static void report_lost(const struct page_map *map, const struct extent *extent, unsigned int from,
			uint64_t bits)
{
	uint64_t seen = u64_load_acquire(&extent->word);

	for (; bits && (seen & PAGE_MAP_PRESENT); bits &= bits - 1)
		age_discarded(map->config.host, tdp_pfn(page_map_pfn(seen).n + from +
							(unsigned int)__builtin_ctzll(bits)));
}

static void extent_untouch(const struct page_map *map, struct extent *extent, uint64_t base,
			   uint64_t first, uint64_t end)
{
	uint64_t bits;

	for (unsigned int i = 0; i < EXTENT_WORDS; i++) {
		bits = range_bits(base + (uint64_t)i * 64, first, end);
		if (!bits)
			continue;
		bits &= u64_and_acq_rel(&extent->touched[i], ~bits);
		if (map->config.host->config.check)
			report_lost(map, extent, i * 64, bits);
	}
}

void page_map_discard(struct page_map *map, uint64_t first, uint64_t past)
{
	uint64_t pages = record_pages(map);
	uint64_t index = first / pages;
	atomic_u64 *word;

	while ((word = directory_next(&map->records, &index, (past + pages - 1) / pages))) {
		if (map->config.tracks_pages)
			extent_untouch(map, (struct extent *)word, index * pages, first, past);
		free_unused(map, word);
		index++;
	}
}

static uint64_t extent_touched(const struct extent *extent)
{
	uint64_t count = 0;

	for (unsigned int i = 0; i < EXTENT_WORDS; i++)
		count += (uint64_t)__builtin_popcountll(u64_load_relaxed(&extent->touched[i]));
	return count;
}

/* Relaxed: others go on changing the number, so it is a snapshot in any order. */
uint64_t page_map_touched(const struct page_map *map)
{
	uint64_t index = 0, count = 0;
	const atomic_u64 *word;

	while ((word = directory_next(&map->records, &index, map->records.records))) {
		if (map->config.tracks_pages)
			count += extent_touched((const struct extent *)word);
		else
			count += (u64_load_relaxed(word) & PAGE_MAP_PRESENT) != 0;
		index++;
	}
	return count;
}
