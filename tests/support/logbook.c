/* A slot whose writes are logged, and a plain model of the log. See logbook.h. */
#include "support/logbook.h"

#include <string.h>

#define REGION_PAGES ((uint64_t)512)
#define REGION_BYTES (REGION_PAGES * TDP_PAGE_SIZE)

static const unsigned int spots[LOGBOOK_SPOTS] = {0, 1, 130, 511};

/* Frames from the slot's beginning to page `i`. */
static uint64_t offset_of(unsigned int i)
{
	return i / LOGBOOK_SPOTS * REGION_PAGES + spots[i % LOGBOOK_SPOTS];
}

static uint64_t frames(const struct logbook *book)
{
	return book->config.regions * REGION_PAGES;
}

static int set_slot(const struct logbook *book, bool log, uint64_t pages)
{
	return tdp_vm_set_memslot(book->stress->vm, &(struct tdp_memslot){
							    .id = book->config.id,
							    .gfn = book->config.gfn,
							    .pages = pages,
							    .backing = tdp_anon_backing(book->anon),
							    .log_dirty = log,
						    });
}

struct logbook *logbook_create(struct stress *stress, const struct logbook_config *config,
			       enum tdp_manual_protect manual)
{
	unsigned int count = config->regions * LOGBOOK_SPOTS;
	struct logbook *book =
		stress_allocate(stress, sizeof(*book) + count * sizeof(book->pages[0]));

	if (!book)
		return NULL;
	book->stress = stress;
	book->config = *config;
	book->manual = manual;
	book->page_count = count;
	book->words = tdp_dirty_log_words(frames(book));
	book->bitmap = stress_allocate(stress, book->words * sizeof(uint64_t));
	book->mask = stress_allocate(stress, book->words * sizeof(uint64_t));
	book->anon = stress_anon(stress, config->regions * REGION_BYTES, config->page);
	if (!book->bitmap || !book->mask || !book->anon || set_slot(book, false, frames(book)))
		return NULL;
	return book;
}

/* Most visits meet in the first pages: what follows on a write must come while it is fresh. */
static unsigned int some_page(struct player *player, const struct logbook *book)
{
	uint64_t bound = player_chance(player, 3) ? book->page_count : 2;

	return (unsigned int)player_below(player, bound);
}

static int touch(struct player *player, struct logbook *book, unsigned int i,
		 enum tdp_access access)
{
	uint64_t gpa = (book->config.gfn.n + offset_of(i)) << TDP_PAGE_SHIFT;
	atomic_u64 *visits = &book->visits[tdp_vcpu_id(player->vcpu)];
	struct logbook_page *page = &book->pages[i];
	struct tdp_access_result result;
	int err;

	u64_add_acq_rel(visits, 1);
	if (access == TDP_WRITE)
		u64_add_acq_rel(&page->begun, 1);
	err = player_access(player, gpa, access, NULL, 0, &result);
	if (!err && access == TDP_WRITE && result.outcome == TDP_ACCESS_DONE)
		u64_add_acq_rel(&page->done, 1);
	u64_add_acq_rel(visits, 1);
	return !err && result.outcome == TDP_ACCESS_RING_FULL ? LOGBOOK_RING_FULL : err;
}

int logbook_write(struct player *player, struct logbook *book, unsigned int i)
{
	return touch(player, book, i, TDP_WRITE);
}

int logbook_visit(struct player *player, struct logbook *book)
{
	unsigned int i = some_page(player, book);

	return touch(player, book, i, player_chance(player, 3) ? TDP_READ : TDP_WRITE);
}

int logbook_take_back(struct player *player, struct logbook *book, unsigned int i)
{
	bool small = book->config.page == TDP_4K;
	uint64_t offset = offset_of(i) * TDP_PAGE_SIZE;
	int err;

	if (small)
		err = tdp_anon_discard(book->anon, offset, TDP_PAGE_SIZE);
	else
		err = tdp_anon_discard(book->anon, offset / REGION_BYTES * REGION_BYTES,
				       REGION_BYTES);
	return err ? player_fail(player, "a discard ended with %d", err) : 0;
}

int logbook_discard(struct player *player, struct logbook *book)
{
	return logbook_take_back(player, book,
				 (unsigned int)player_below(player, book->page_count));
}

static void set_bit(uint64_t *bitmap, uint64_t offset)
{
	bitmap[offset / 64] |= 1ULL << (offset % 64);
}

static bool bit(const uint64_t *bitmap, uint64_t offset)
{
	return bitmap[offset / 64] >> (offset % 64) & 1;
}

/* What was written until now is owed no more. */
static void cover(struct logbook *book, unsigned int i)
{
	book->pages[i].covered = u64_load_acquire(&book->pages[i].begun);
	book->pages[i].missed = false;
}

int logbook_turn(struct player *player, struct logbook *book, bool on)
{
	int err = set_slot(book, on, frames(book));

	if (err)
		return player_fail(player, "turning the log %s ended with %d", on ? "on" : "off",
				   err);
	book->on = on;
	for (unsigned int i = 0; i < book->page_count; i++)
		cover(book, i);
	return 0;
}

/* W1. True in *missed: not all that is owed was reported, and may be reported late. */
static int judge(struct player *player, struct logbook *book, bool *missed)
{
	for (unsigned int i = 0; i < book->page_count; i++) {
		struct logbook_page *page = &book->pages[i];
		bool late = page->missed;

		page->missed =
			page->done_before > page->covered && !bit(book->bitmap, offset_of(i));
		if (page->missed && late)
			return player_fail(player,
					   "gfn 0x%llx was written and is not in the log (write "
					   "%llu; covered %llu)",
					   (unsigned long long)(book->config.gfn.n + offset_of(i)),
					   (unsigned long long)page->done_before,
					   (unsigned long long)page->covered);
		*missed |= page->missed;
	}
	return 0;
}

/* For the ends of the visits that are under way. */
static void wait_for_visits(struct player *player, const struct logbook *book)
{
	for (unsigned int i = 0; i < book->stress->vcpu_count; i++) {
		uint64_t visit = u64_load_acquire(&book->visits[i]);

		while (visit % 2 && u64_load_acquire(&book->visits[i]) == visit)
			player_dawdle(player, 5);
	}
}

static void cover_set(struct logbook *book, const uint64_t *bitmap)
{
	for (unsigned int i = 0; i < book->page_count; i++)
		if (bit(bitmap, offset_of(i)))
			cover(book, i);
}

/* Clears what was reported, some words of it, as user space does before it copies. */
static int clear(struct player *player, struct logbook *book)
{
	uint64_t first = player_below(player, book->words), words = book->words - first;
	int err;

	if (player_chance(player, 2))
		words = 1 + player_below(player, words);
	memset(book->mask, 0, book->words * sizeof(uint64_t));
	memcpy(book->mask + first, book->bitmap + first, words * sizeof(uint64_t));
	err = tdp_vm_clear_dirty_log(book->stress->vm, 0, book->config.id, first * 64, words * 64,
				     book->mask + first);
	if (err)
		return player_fail(player, "clearing the log ended with %d", err);
	cover_set(book, book->mask);
	return 0;
}

/* A read of the log begins. */
static void begin(struct logbook *book)
{
	for (unsigned int i = 0; i < book->page_count; i++)
		book->pages[i].done_before = u64_load_acquire(&book->pages[i].done);
}

static int collect_once(struct player *player, struct logbook *book, bool *missed)
{
	int err;

	begin(book);
	err = tdp_vm_get_dirty_log(book->stress->vm, 0, book->config.id, book->bitmap, book->words);
	if (err)
		return player_fail(player, "reading the log ended with %d", err);
	book->reads++;
	err = judge(player, book, missed);
	if (err)
		return err;
	if (book->manual != TDP_MANUAL_PROTECT_OFF)
		return clear(player, book);
	cover_set(book, book->bitmap);
	return 0;
}

int logbook_collect(struct player *player, struct logbook *book)
{
	bool missed = true;
	int err = 0;

	while (!err && missed) {
		missed = false;
		err = collect_once(player, book, &missed);
		if (!err && missed)
			wait_for_visits(player, book);
	}
	return err;
}

/* All that is in the vCPU's ring now goes to the bitmaps of its slots' books. */
static void harvest(struct tdp_vcpu *vcpu, struct logbook *const *books, unsigned int count)
{
	struct tdp_dirty_page page;

	while (tdp_vcpu_harvest_dirty_ring(vcpu, &page, 1))
		for (unsigned int i = 0; i < count; i++)
			if (books[i]->config.id == page.slot)
				set_bit(books[i]->bitmap, page.offset);
}

static int judge_and_cover(struct player *player, struct logbook *book, bool *missed)
{
	int err = book->on ? judge(player, book, missed) : 0;

	book->reads++;
	if (!err)
		cover_set(book, book->bitmap);
	return err;
}

static int collect_rings_once(struct player *player, struct logbook *const *books,
			      unsigned int count, bool *missed)
{
	const struct stress *stress = player->stress;
	int err;

	for (unsigned int i = 0; i < count; i++) {
		begin(books[i]);
		memset(books[i]->bitmap, 0, books[i]->words * sizeof(uint64_t));
	}
	for (unsigned int i = 0; i < stress->vcpu_count; i++)
		harvest(stress->vcpus[i], books, count);
	err = tdp_vm_reset_dirty_rings(stress->vm, NULL);
	if (err)
		return player_fail(player, "recycling the rings ended with %d", err);
	for (unsigned int i = 0; i < count && !err; i++)
		err = judge_and_cover(player, books[i], missed);
	return err;
}

int logbook_collect_rings(struct player *player, struct logbook *const *books, unsigned int count)
{
	bool missed = true;
	int err = 0;

	while (!err && missed) {
		missed = false;
		err = collect_rings_once(player, books, count, &missed);
		for (unsigned int i = 0; i < count && !err && missed; i++)
			wait_for_visits(player, books[i]);
	}
	return err;
}

int logbook_recreate(struct player *player, struct logbook *book)
{
	int err = set_slot(book, false, 0);

	if (!err)
		err = set_slot(book, false, frames(book));
	if (err)
		return player_fail(player, "making the slot anew ended with %d", err);
	book->on = false;
	return 0;
}

int logbook_writer(struct player *player)
{
	int err = 0;

	while (!err && player_goes_on(player))
		err = logbook_visit(player, player->arg);
	return err;
}

static int collector_step(struct player *player, struct logbook *book)
{
	if (!book->on)
		return logbook_turn(player, book, true);
	if (!player_chance(player, 6))
		return logbook_collect(player, book);
	if (player_chance(player, 4))
		return logbook_recreate(player, book);
	return logbook_turn(player, book, false);
}

int logbook_collector(struct player *player)
{
	struct logbook *book = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		err = collector_step(player, book);
		player_dawdle(player, 10);
	}
	/* What is left when all else stands still must be there too: the time is up for all. */
	return err || !book->on ? err : logbook_collect(player, book);
}
