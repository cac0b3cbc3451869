/*
 * Chunks of anonymous memory: taking, finding and giving back
 *
 * Any number of actors resolve at once; those that touch different chunks share
 * nothing but the frame allocator. There is no lock: a chunk's word is claimed
 * (CHUNK_BUSY) by compare-and-swap, for the time of one allocation or one
 * decision to free, and others wait only for that chunk. Claiming before
 * allocating, rather than throwing away the loser's memory, keeps a promise of
 * reserved pages: nobody holds a second page even for a moment.
 *
 * Promises
 *   C1  Two resolves of a page that is not discarded in between agree.
 *   C2  An extent is given back when no page of it is touched, and not before:
 *       who resolves a page outside of the range being discarded keeps it.
 *   C3  A failed resolve leaves everything as it was, but for a directory leaf.
 *
 * Order
 *   C2 is a race of two that each write one word and read the other: a resolver
 *   sets its bit, then reads the word again; who frees makes the word busy, then
 *   reads the bits. All four are sequentially consistent, so either the bit is
 *   seen or the resolver finds the word changed, and starts over. A resolver that
 *   finds its bit set reads the word again all the same: the bit may be that of
 *   another one who is about to start over.
 *   Publishing a frame is a release, the first look at it an acquire.
 */
#include <errno.h>

#include "host/age.h"
#include "host/anon.h"
#include "platform/charge.h"
#include "platform/check.h"
#include "platform/wait.h"

static uint64_t word_of(tdp_pfn_t pfn)
{
	return pfn.n << CHUNK_SHIFT | CHUNK_PRESENT;
}

static tdp_pfn_t pfn_of(uint64_t word)
{
	return tdp_pfn(word >> CHUNK_SHIFT);
}

static uint64_t chunk_pages(const struct tdp_anon *anon)
{
	return tdp_level_pages(anon->chunk_level);
}

static atomic_u64 *touched_word(struct extent *extent, uint64_t page)
{
	return &extent->touched[page % EXTENT_PAGES / 64];
}

/*
 * The caller has made the word busy. What he fails to get leaves no trace: an
 * actor whose bit was set when the extent went away may be the same one.
 */
static int chunk_fill(struct tdp_anon *anon, struct host_caller *caller, atomic_u64 *word,
		      uint64_t page)
{
	int node = anon->config.node - 1;
	tdp_pfn_t pfn;

	if (folio_alloc(caller, node, anon->chunk_level, anon->source, &pfn)) {
		if (anon->extents)
			u64_and_acq_rel(touched_word((struct extent *)word, page), ~page_bit(page));
		u64_store_release(word, CHUNK_NONE);
		return -ENOMEM;
	}
	u64_store_release(word, word_of(pfn));
	return 0;
}

static atomic_u64 *word_find(const struct tdp_anon *anon, uint64_t page)
{
	return directory_find(&anon->chunks, page / chunk_pages(anon), anon->chunks.record_bytes);
}

/* Has the memory of `word`, which is there, become the memory of `page`? */
static bool chunk_touch(const struct tdp_anon *anon, atomic_u64 *word, uint64_t page, uint64_t seen)
{
	return !anon->extents || extent_touch((struct extent *)word, page, seen);
}

int chunk_resolve(struct tdp_anon *anon, struct host_caller *caller, uint64_t page, tdp_pfn_t *pfn)
{
	atomic_u64 *word = directory_make(&anon->chunks, page / chunk_pages(anon));
	struct waiting waiting = {0};
	uint64_t seen;

	if (!word)
		return -ENOMEM;
	for (;;) {
		seen = u64_load_acquire(word);
		if (seen == CHUNK_BUSY) {
			platform_pause(&waiting);
			continue;
		}
		if (seen != CHUNK_NONE) {
			if (chunk_touch(anon, word, page, seen))
				break;
			continue;
		}
		if (!u64_cas_seq_cst(word, &seen, CHUNK_BUSY))
			continue;
		if (chunk_fill(anon, caller, word, page))
			return -ENOMEM;
		if (!anon->extents)
			charge(CHARGE_PAGE_CLEAR, chunk_pages(anon));
	}
	*pfn = tdp_pfn(pfn_of(seen).n + page % chunk_pages(anon));
	return 0;
}

bool chunk_present(const struct tdp_anon *anon, uint64_t page)
{
	const atomic_u64 *word = word_find(anon, page);

	return word && (u64_load_acquire(word) & CHUNK_PRESENT);
}

int chunk_peek(const struct tdp_anon *anon, uint64_t page, tdp_pfn_t *pfn)
{
	atomic_u64 *word = word_find(anon, page);
	uint64_t seen = word ? u64_load_acquire(word) : CHUNK_NONE;

	if (seen == CHUNK_BUSY)
		return -EAGAIN;
	if (seen == CHUNK_NONE)
		return -ENOENT;
	if (anon->extents &&
	    !(u64_load_acquire(touched_word((struct extent *)word, page)) & page_bit(page)))
		return -ENOENT;
	*pfn = tdp_pfn(pfn_of(seen).n + page % chunk_pages(anon));
	return 0;
}

/* Makes a present word busy, waiting for others who have; CHUNK_NONE if there is no memory. */
static uint64_t chunk_claim(atomic_u64 *word)
{
	struct waiting waiting = {0};
	uint64_t seen;

	for (;;) {
		seen = u64_load_acquire(word);
		if (seen == CHUNK_NONE)
			return seen;
		if (seen == CHUNK_BUSY)
			platform_pause(&waiting);
		else if (u64_cas_seq_cst(word, &seen, CHUNK_BUSY))
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

static void chunk_give_back(struct tdp_anon *anon, atomic_u64 *word)
{
	uint64_t seen = chunk_claim(word);

	if (seen == CHUNK_NONE)
		return;
	if (anon->extents && !extent_untouched((struct extent *)word)) {
		u64_store_release(word, seen);
		return;
	}
	folio_free(anon->host, pfn_of(seen), anon->chunk_level);
	u64_store_release(word, CHUNK_NONE);
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

/* Pages `bits` of an extent, from its page `from` on, have lost what was in them. */
static void pages_lost(struct tdp_anon *anon, const struct extent *extent, unsigned int from,
		       uint64_t bits)
{
	uint64_t seen = u64_load_acquire(&extent->word);

	for (; bits && (seen & CHUNK_PRESENT); bits &= bits - 1)
		age_discarded(anon->host,
			      tdp_pfn(pfn_of(seen).n + from + (unsigned int)__builtin_ctzll(bits)));
}

static void extent_untouch(struct tdp_anon *anon, struct extent *extent, uint64_t base,
			   uint64_t first, uint64_t end)
{
	uint64_t bits;

	for (unsigned int i = 0; i < EXTENT_WORDS; i++) {
		bits = range_bits(base + (uint64_t)i * 64, first, end);
		if (!bits)
			continue;
		bits &= u64_and_acq_rel(&extent->touched[i], ~bits);
		if (anon->host->config.check)
			pages_lost(anon, extent, i * 64, bits);
	}
}

void chunk_discard(struct tdp_anon *anon, uint64_t first, uint64_t end)
{
	uint64_t pages = chunk_pages(anon);
	uint64_t index = first / pages;
	atomic_u64 *word;

	while ((word = directory_next(&anon->chunks, &index, (end + pages - 1) / pages))) {
		if (anon->extents)
			extent_untouch(anon, (struct extent *)word, index * pages, first, end);
		chunk_give_back(anon, word);
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

/* Relaxed: a number that others go on changing is a snapshot in any order. */
uint64_t chunk_touched(const struct tdp_anon *anon)
{
	uint64_t index = 0, count = 0;
	const atomic_u64 *word;

	while ((word = directory_next(&anon->chunks, &index, anon->chunks.records))) {
		if (anon->extents)
			count += extent_touched((const struct extent *)word);
		else
			count += (u64_load_relaxed(word) & CHUNK_PRESENT) != 0;
		index++;
	}
	return count;
}
