#include "dirtylog/book.h"

#include <string.h>

#include "common/memory.h"
#include "dirtylog/bits.h"
#include "dirtylog/draw.h"

#define REGION_PAGES 512 /* of 2M */
#define PML_ENTRIES  512 /* of the log of writes that a CPU keeps */

enum state {
	OPEN,
	SHUT,
	HUGE_OPEN,
	HUGE_SHUT,
	ABSENT,
};

static size_t words(const struct book *book)
{
	return (book->pages + 63) / 64;
}

static uint64_t backing_pages(const struct book *book)
{
	return tdp_level_pages(book->options->guest.backing);
}

/* Touched at once, so that none of it grows while the guest's memory is watched. */
static uint64_t *new_set(const struct book *book)
{
	return must_calloc_aligned(sizeof(uint64_t), words(book), sizeof(uint64_t));
}

void book_init(struct book *book, const struct dirtylog *options)
{
	*book = (struct book){.options = options, .pages = dirtylog_guest_pages(options)};
	book->state = must_calloc_aligned(1, book->pages, 1);
	book->gone = must_calloc(book->pages / backing_pages(book), sizeof(*book->gone));
	book->written = new_set(book);
	book->marked = new_set(book);
	book->doubtful = new_set(book);
	book->reported = new_set(book);
}

void book_fini(struct book *book)
{
	free(book->reported);
	free(book->doubtful);
	free(book->marked);
	free(book->written);
	free(book->gone);
	free(book->state);
}

/* What becomes of a page whose leaf is protected so that the next write tells. */
static enum state protected_state(const struct book *book, enum state state)
{
	switch (state) {
	case HUGE_OPEN:
		if (!book->eager)
			return HUGE_SHUT;
		return book->dbit ? OPEN : SHUT;
	case OPEN:
		return book->dbit ? OPEN : SHUT;
	default:
		return state;
	}
}

/* With --exit-keeps-log a read of the log misses what the logs of the CPUs hold. */
static uint64_t most_lost(const struct book *book, const struct tdp_policy *policy)
{
	const struct guest_options *guest = &book->options->guest;
	bool pml = book->dbit && guest->format == TDP_EPT;

	return pml && policy->exit_keeps_log == TDP_ON ? (uint64_t)guest->vcpus * PML_ENTRIES : 0;
}

void book_enable(struct book *book, const struct tdp_policy *policy)
{
	const struct dirtylog *options = book->options;

	book->dbit = policy->dirty_track == TDP_DIRTY_TRACK_DBIT;
	book->eager = policy->eager_split == TDP_ON;
	book->zap = policy->huge_fault == TDP_HUGE_FAULT_ZAP;
	book->fixes_twice = policy->spurious_if_allowed != TDP_ON;
	book->lost_most = most_lost(book, policy);
	memset(book->state, options->guest.backing == TDP_4K ? OPEN : HUGE_OPEN, book->pages);
	if (options->guest.manual_protect == TDP_MANUAL_PROTECT_ALL_SET) {
		for (uint64_t page = 0; page < book->pages; page++)
			bit_set(book->marked, page);
		return;
	}
	for (uint64_t page = 0; page < book->pages; page++)
		book->state[page] = (uint8_t)protected_state(book, book->state[page]);
}

/* A fault that leaves the page mapped by a writable 4K leaf. */
static void fix(struct book *book, uint64_t page)
{
	book->fixed++;
	book->state[page] = OPEN;
	bit_set(book->marked, page);
}

/* A write has met a protected huge leaf: the rest of its 2M is mapped by 4K now. */
static void split_region(struct book *book, uint64_t page)
{
	uint64_t first = page - page % REGION_PAGES;

	for (uint64_t i = first; i < first + REGION_PAGES; i++)
		if (book->state[i] == HUGE_SHUT)
			book->state[i] = SHUT;
}

/*
 * With zap: the leaf goes at the first write. A vCPU's accesses after its own first
 * write fault for certain; of reads before it, another one's write may be faster.
 */
static void access_zapped(struct book *book, uint64_t page, bool write, unsigned int vcpu)
{
	unsigned int *gone = &book->gone[page / backing_pages(book)];

	if (write)
		*gone = vcpu + 1;
	if (*gone == vcpu + 1)
		fix(book, page);
	else
		bit_set(book->doubtful, page);
}

static void access_page(struct book *book, uint64_t page, bool write, unsigned int vcpu)
{
	switch ((enum state)book->state[page]) {
	case OPEN:
	case HUGE_OPEN:
		if (write)
			bit_set(book->marked, page);
		break;
	case SHUT:
		if (write)
			fix(book, page);
		break;
	case ABSENT:
		fix(book, page);
		break;
	case HUGE_SHUT:
		if (book->zap)
			access_zapped(book, page, write, vcpu);
		else if (write) {
			split_region(book, page);
			fix(book, page);
		}
		break;
	}
	if (write)
		bit_set(book->written, page);
	book->accesses++;
}

/* What the zapped leaves mapped is gone, and what was read in others never faulted. */
static void settle_zapped(struct book *book)
{
	bool alone = book->options->guest.vcpus == 1;

	for (uint64_t page = 0; page < book->pages; page++) {
		bool gone = book->gone[page / backing_pages(book)] != 0;

		if (gone && book->state[page] == HUGE_SHUT)
			book->state[page] = ABSENT;
		if (!gone || alone || book->state[page] != ABSENT)
			book->doubtful[page / 64] &= ~((uint64_t)1 << (page % 64));
	}
	memset(book->gone, 0, book->pages / backing_pages(book) * sizeof(*book->gone));
}

void book_dirty(struct book *book, unsigned int iteration)
{
	const struct dirtylog *options = book->options;

	book->fixed = book->accesses = 0;
	memset(book->written, 0, words(book) * sizeof(*book->written));
	memset(book->doubtful, 0, words(book) * sizeof(*book->doubtful));
	for (unsigned int vcpu = 0; vcpu < options->guest.vcpus; vcpu++) {
		struct draw draw = draw_of(options, vcpu, iteration);
		uint64_t base = dirtylog_vcpu_base(options, vcpu);

		for (uint64_t i = 0; i < draw.pages; i++)
			access_page(book, base + draw_page(&draw, i), draw_writes(&draw, i), vcpu);
	}
	if (book->zap)
		settle_zapped(book);
}

uint64_t *book_report(struct book *book)
{
	memset(book->reported, 0, words(book) * sizeof(*book->reported));
	return book->reported;
}

/* A page that was read before its leaf was zapped, or after: the log knows. */
static void resolve_doubts(struct book *book)
{
	for (uint64_t page = 0; page < book->pages; page++)
		if (bit_test(book->doubtful, page) && bit_test(book->reported, page))
			fix(book, page);
}

/* May a page be counted as fixed more than once? */
static bool is_inexact(const struct book *book)
{
	const struct dirtylog *options = book->options;
	bool again = options->guest.overlap || options->random_access;

	if (options->log == LOG_RING && again)
		return true;
	return options->guest.overlap && book->fixes_twice;
}

struct verdict book_judge(struct book *book, uint64_t rings_full)
{
	struct verdict verdict = {0};

	resolve_doubts(book);
	for (size_t word = 0; word < words(book); word++) {
		uint64_t written = book->written[word], reported = book->reported[word];

		verdict.lost += (uint64_t)__builtin_popcountll(written & ~reported);
		verdict.surplus += (uint64_t)__builtin_popcountll(reported & ~book->marked[word]);
	}
	verdict.lost_most = book->lost_most;
	verdict.written = bits_count(book->written, book->pages);
	verdict.reported = bits_count(book->reported, book->pages);
	verdict.fixed_least = book->fixed;
	verdict.fixed_most = (is_inexact(book) ? book->accesses : book->fixed) + rings_full;
	return verdict;
}

void book_clear(struct book *book)
{
	for (uint64_t page = 0; page < book->pages; page++)
		if (bit_test(book->reported, page))
			book->state[page] =
				(uint8_t)protected_state(book, (enum state)book->state[page]);
	for (size_t word = 0; word < words(book); word++)
		book->marked[word] &= ~book->reported[word];
}
