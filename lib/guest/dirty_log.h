/*
 * A slot's dirty log: which of its pages were written since the log was last read
 *
 * The log belongs to the slot and is shared by its copies in successive arrays. It is made before
 * the slot is published with it, and freed a grace period after the last array that has it
 * (memslots_publish()): an actor that finds a slot inside an RCU section, or under slots_lock, may
 * use its log.
 *
 * Order
 *   Marking is an OR, taking an exchange or an AND, both acquire-release. An actor that takes a
 *   mark therefore sees the entry as it was when the page was marked, or later, and its own change
 *   of the entry comes after the change that caused the mark: if a page is marked and regains a
 *   right to write between two readers, the reader that takes the mark takes the right away. The OR
 *   is made even if the bit is seen set, because a reader may be about to take it.
 */
#ifndef TDPSIM_GUEST_DIRTY_LOG_H
#define TDPSIM_GUEST_DIRTY_LOG_H

#include "host/host.h"

#define LOG_WORD_PAGES 64

struct dirty_log {
	struct tdp_host *host;
	uint64_t pages;	 /* of the slot; immutable */
	size_t words;	 /* of the bitmap; 0: the vCPUs' rings hold the log; immutable */
	size_t capacity; /* words behind the record; immutable */
	/*
	 * Bit i is page i of the slot. Set by an actor that lets a page be written or learns that
	 * it was; cleared under slots_lock. See above. Behind the `words` of the bitmap are the
	 * words in which the checker gathers the pages of the rings (check/log.c).
	 */
	atomic_u64 bits[];
};

struct dirty_log_config {
	struct tdp_host *host;
	uint64_t pages;
	bool bitmap, rings; /* what keeps the log: one of them or both */
	bool all_set;	    /* every page is marked from the beginning */
};

/* NULL: no memory. */
struct dirty_log *dirty_log_create(const struct dirty_log_config *config);
void dirty_log_destroy(struct dirty_log *log); /* NULL is allowed */

/* The pages that word `word` of a bitmap over `pages` pages has. */
static inline uint64_t dirty_log_valid(uint64_t pages, size_t word)
{
	uint64_t left = pages - word * LOG_WORD_PAGES;

	return left < LOG_WORD_PAGES ? (1ULL << left) - 1 : ~0ULL;
}

static inline void dirty_log_mark(struct dirty_log *log, uint64_t page)
{
	u64_or_acq_rel(&log->bits[page / LOG_WORD_PAGES], 1ULL << (page % LOG_WORD_PAGES));
}

/* A hint, exact under slots_lock for marks that were made before. */
static inline uint64_t dirty_log_peek(const struct dirty_log *log, size_t word)
{
	return u64_load_acquire(&log->bits[word]);
}

/* Takes all marks of a word. */
static inline uint64_t dirty_log_take(struct dirty_log *log, size_t word)
{
	return u64_exchange_acq_rel(&log->bits[word], 0);
}

/* Takes those in `mask`; returns which there were. */
static inline uint64_t dirty_log_take_masked(struct dirty_log *log, size_t word, uint64_t mask)
{
	return u64_and_acq_rel(&log->bits[word], ~mask) & mask;
}

#endif
