/* A few pages of scripted memory. See page_set.h. */
#include "stress/stage/page_set.h"

#include <errno.h>
#include <string.h>

#include "platform/bytes.h"
#include "stress/stage/mapped.h"

#define POISON	     0xdeadbeefdeadbeefULL
#define MAGIC	     0xbed0000000000000ULL
#define HUGE_FRAMES  512ULL
#define SMALL_FRAMES 8ULL

static const uint64_t small_offsets[PAGE_SET_PAGES] = {1, 2, 5, 7};
/* Never the first, whose level can so be the largest that a leaf here has had (stamped memory.c).
 */
static const uint64_t huge_offsets[PAGE_SET_PAGES] = {1, 2, 300, 511};

uint64_t page_set_offset(const struct page_set *set, unsigned int page)
{
	return set->config.shape == PAGE_SET_4K ? small_offsets[page] : huge_offsets[page];
}

static uint64_t stamp(const struct page_set *set, unsigned int page)
{
	return MAGIC | set->backing.hva << 4 | page;
}

/* Whether each page has its own block. */
static bool is_small(const struct page_set *set)
{
	return set->config.shape == PAGE_SET_4K ||
	       (set->config.shape == PAGE_SET_2M_UNTIL_WRITTEN && u32_load_acquire(&set->small));
}

static tdp_pfn_t frame_at(const struct page_set *set, uint32_t block, uint64_t index)
{
	return tdp_pfn(set->first.n + block * HUGE_FRAMES + index);
}

static tdp_pfn_t frame_of_index(const struct page_set *set, uint64_t index)
{
	unsigned int page = 0;

	if (is_small(set))
		while (page < PAGE_SET_PAGES && page_set_offset(set, page) != index)
			page++;
	return frame_at(set, u32_load_acquire(&set->block[page % PAGE_SET_PAGES]), index);
}

static uint64_t index_of(const struct page_set *set, uint64_t hva)
{
	return (hva - set->backing.hva) >> TDP_PAGE_SHIFT;
}

static int resolve(void *context, void *caller, uint64_t hva, bool write,
		   struct tdp_backing_page *page)
{
	struct page_set *set = context;
	bool reads_only = set->config.shape == PAGE_SET_2M_UNTIL_WRITTEN;

	(void)caller;
	if (write && reads_only)
		u32_store_release(&set->small, 1);
	*page = (struct tdp_backing_page){
		.pfn = frame_of_index(set, index_of(set, hva)),
		.writable = !reads_only || u32_load_acquire(&set->small),
	};
	return 0;
}

static unsigned int level(void *context, uint64_t hva)
{
	const struct page_set *set = context;
	uint64_t index = index_of(set, hva);

	switch (set->config.shape) {
	case PAGE_SET_2M:
		return TDP_2M;
	case PAGE_SET_2M_UNTIL_WRITTEN:
		return index && u32_load_acquire(&set->small) ? TDP_4K : TDP_2M;
	case PAGE_SET_MIXED:
		return index && index < HUGE_FRAMES / 2 ? TDP_4K : TDP_2M;
	default:
		return TDP_4K;
	}
}

static int peek(void *context, uint64_t hva, struct tdp_backing_page *page)
{
	return resolve(context, NULL, hva, false, page);
}

static const struct tdp_backing_ops ops = {.resolve = resolve, .level = level, .peek = peek};

static void store_words(const struct page_set *set, tdp_pfn_t pfn, const uint64_t *words)
{
	bytes_store(tdp_host_frame(set->stress->host, pfn), words, PAGE_SET_WORDS * sizeof(*words));
}

static void load_words(const struct page_set *set, tdp_pfn_t pfn, uint64_t *words)
{
	bytes_load(words, tdp_host_frame(set->stress->host, pfn), PAGE_SET_WORDS * sizeof(*words));
}

static void poison(const struct page_set *set, tdp_pfn_t pfn)
{
	uint64_t words[PAGE_SET_WORDS];

	for (unsigned int i = 0; i < PAGE_SET_WORDS; i++)
		words[i] = POISON;
	store_words(set, pfn, words);
}

static void fill(struct page_set *set)
{
	for (unsigned int page = 0; page < PAGE_SET_PAGES; page++) {
		uint64_t words[PAGE_SET_WORDS] = {stamp(set, page)};

		u32_init(&set->block[page], 0);
		store_words(set, frame_at(set, 0, page_set_offset(set, page)), words);
		poison(set, frame_at(set, 1, page_set_offset(set, page)));
	}
}

static int set_slot(const struct page_set *set, uint64_t gfn, uint64_t pages)
{
	return stress_slot(set->stress, set->config.address_space, set->config.slot, tdp_gfn(gfn),
			   pages, &set->backing, false);
}

struct page_set *page_set_create(struct stress *stress, const struct page_set_config *config)
{
	struct page_set *set = stress_allocate(stress, sizeof(*set));

	if (!set)
		return NULL;
	set->stress = stress;
	set->config = *config;
	set->pages = config->shape == PAGE_SET_4K ? SMALL_FRAMES : HUGE_FRAMES;
	if (config->pages)
		set->pages = config->pages;
	set->first = tdp_pfn(tdp_host_carveout(stress->host).n +
			     (stress->carveout_used >> TDP_PAGE_SHIFT));
	set->backing = (struct tdp_backing){
		.ops = &ops,
		.context = set,
		.hva = stress->next_hva,
		.bytes = set->pages << TDP_PAGE_SHIFT,
	};
	stress->carveout_used += 2 * tdp_level_bytes(TDP_2M);
	/* Leave a hole behind it. */
	stress->next_hva +=
		(set->backing.bytes / tdp_level_bytes(TDP_2M) + 2) * tdp_level_bytes(TDP_2M);
	u32_init(&set->small, 0);
	fill(set);
	if (!config->absent && set_slot(set, config->gfn, set->pages))
		return NULL;
	return set;
}

/* B1 */
static int judge_words(struct player *player, const struct page_set *set, unsigned int page,
		       const uint64_t *words)
{
	unsigned int vcpu = tdp_vcpu_id(player->vcpu);

	if (words[0] != stamp(set, page))
		return player_fail(player, "page %u: saw 0x%llx (%s)", page,
				   (unsigned long long)words[0],
				   words[0] == POISON		     ? "a dead frame"
				   : (words[0] ^ MAGIC) < 1ULL << 52 ? "another page"
								     : "no stamp");
	if (words[1 + vcpu] != set->written[vcpu][page])
		return player_fail(player, "page %u: read 0x%llx, had written 0x%llx", page,
				   (unsigned long long)words[1 + vcpu],
				   (unsigned long long)set->written[vcpu][page]);
	return 0;
}

static int expect_done(struct player *player, unsigned int page, enum tdp_outcome is,
		       enum tdp_outcome *outcome)
{
	if (outcome)
		*outcome = is;
	else if (is != TDP_ACCESS_DONE)
		return player_fail(player, "page %u: outcome %d", page, (int)is);
	return 0;
}

int page_set_read_at(struct player *player, struct page_set *set, uint64_t gfn, unsigned int page,
		     enum tdp_outcome *outcome)
{
	uint64_t words[PAGE_SET_WORDS], gpa = (gfn + page_set_offset(set, page)) << TDP_PAGE_SHIFT;
	struct tdp_access_result result;
	int err = player_access(player, gpa, TDP_READ, words, sizeof(words), &result);

	if (!err)
		err = expect_done(player, page, result.outcome, outcome);
	if (!err && result.outcome == TDP_ACCESS_DONE)
		err = judge_words(player, set, page, words);
	return err;
}

int page_set_write_at(struct player *player, struct page_set *set, uint64_t gfn, unsigned int page,
		      enum tdp_outcome *outcome)
{
	unsigned int vcpu = tdp_vcpu_id(player->vcpu);
	uint64_t value = player_random(player) | 1;
	uint64_t gpa = ((gfn + page_set_offset(set, page)) << TDP_PAGE_SHIFT) + (1 + vcpu) * 8;
	struct tdp_access_result result;
	int err = player_access(player, gpa, TDP_WRITE, &value, sizeof(value), &result);

	if (!err)
		err = expect_done(player, page, result.outcome, outcome);
	if (!err && result.outcome == TDP_ACCESS_DONE)
		set->written[vcpu][page] = value;
	return err;
}

int page_set_read(struct player *player, struct page_set *set, unsigned int page)
{
	return page_set_read_at(player, set, set->config.gfn, page, NULL);
}

int page_set_write(struct player *player, struct page_set *set, unsigned int page)
{
	return page_set_write_at(player, set, set->config.gfn, page, NULL);
}

int page_set_fetch(struct player *player, struct page_set *set, unsigned int page)
{
	uint64_t gpa = (set->config.gfn + page_set_offset(set, page)) << TDP_PAGE_SHIFT;
	struct tdp_access_result result;
	int err = player_access(player, gpa, TDP_FETCH, NULL, 0, &result);

	return err ? err : expect_done(player, page, result.outcome, NULL);
}

static void invalidate(const struct page_set *set, uint64_t first, uint64_t pages,
		       void (*what)(struct tdp_host *host, uint64_t start, uint64_t end))
{
	uint64_t start = set->backing.hva + (first << TDP_PAGE_SHIFT);

	what(set->stress->host, start, start + (pages << TDP_PAGE_SHIFT));
}

/* Between begin and end: moves the data to the other block, and checks B3. */
static int change_frame(struct player *player, const struct page_set *set, unsigned int page,
			uint32_t block)
{
	uint64_t words[PAGE_SET_WORDS], offset = page_set_offset(set, page);
	tdp_pfn_t old = frame_at(set, block, offset);

	load_words(set, old, words);
	store_words(set, frame_at(set, !block, offset), words);
	poison(set, old);
	if (!set->config.check_roots || !mapped_anywhere(set->stress->vm, set->config.address_space,
							 tdp_gfn(set->config.gfn + offset), old))
		return 0;
	return player_fail(player, "page %u is mapped after it was unmapped everywhere", page);
}

static int move_all(struct player *player, struct page_set *set)
{
	uint32_t block = u32_load_acquire(&set->block[0]);
	int err = 0;

	invalidate(set, 0, set->pages, tdp_host_invalidate_begin);
	for (unsigned int page = 0; page < PAGE_SET_PAGES; page++) {
		if (!err)
			err = change_frame(player, set, page, block);
		u32_store_release(&set->block[page], !block);
	}
	invalidate(set, 0, set->pages, tdp_host_invalidate_end);
	return err;
}

int page_set_move(struct player *player, struct page_set *set, unsigned int page)
{
	uint64_t offset = page_set_offset(set, page);
	uint32_t block;
	int err;

	if (!is_small(set))
		return move_all(player, set);
	invalidate(set, offset, 1, tdp_host_invalidate_begin);
	block = u32_load_acquire(&set->block[page]);
	err = change_frame(player, set, page, block);
	u32_store_release(&set->block[page], !block);
	invalidate(set, offset, 1, tdp_host_invalidate_end);
	return err;
}

static void gather(struct page_set *set)
{
	for (unsigned int page = 0; page < PAGE_SET_PAGES; page++) {
		uint64_t words[PAGE_SET_WORDS], offset = page_set_offset(set, page);

		if (!u32_load_relaxed(&set->block[page])) /* relaxed: no player acts */
			continue;
		load_words(set, frame_at(set, 1, offset), words);
		store_words(set, frame_at(set, 0, offset), words);
		poison(set, frame_at(set, 1, offset));
		u32_store_release(&set->block[page], 0);
	}
}

void page_set_unmap(struct page_set *set)
{
	invalidate(set, 0, set->pages, tdp_host_invalidate_begin);
	gather(set);
	u32_store_release(&set->small, 0);
	invalidate(set, 0, set->pages, tdp_host_invalidate_end);
}

int page_set_set_slot(struct player *player, const struct page_set *set, uint64_t gfn,
		      uint64_t pages)
{
	int err = set_slot(set, gfn, pages);

	return err ? player_fail(player, "a slot cannot be changed: %d", err) : 0;
}

int page_set_log(struct player *player, const struct page_set *set, bool on)
{
	int err = tdp_vm_set_memslot(set->stress->vm,
				     &(struct tdp_memslot){
					     .address_space = set->config.address_space,
					     .id = set->config.slot,
					     .gfn = tdp_gfn(set->config.gfn),
					     .pages = set->pages,
					     .backing = &set->backing,
					     .log_dirty = on,
				     });

	return err ? player_fail(player, "a log cannot be turned %s: %d", on ? "on" : "off", err)
		   : 0;
}

static tdp_pfn_t frame_of(const struct page_set *set, unsigned int page)
{
	return frame_of_index(set, page_set_offset(set, page));
}

void page_set_close(struct page_set *set)
{
	for (unsigned int page = 0; page < PAGE_SET_PAGES; page++) {
		load_words(set, frame_of(set, page), set->saved[page]);
		poison(set, frame_of(set, page));
	}
	set->closed = true;
}

/* B2 of an unused frame */
static int check_poison(struct player *player, const struct page_set *set, tdp_pfn_t pfn,
			unsigned int page)
{
	uint64_t words[PAGE_SET_WORDS];

	load_words(set, pfn, words);
	for (unsigned int i = 0; i < PAGE_SET_WORDS; i++)
		if (words[i] != POISON)
			return player_fail(player,
					   "page %u: word %u of its old frame became 0x%llx after "
					   "it had been unmapped",
					   page, i, (unsigned long long)words[i]);
	return 0;
}

int page_set_open(struct player *player, struct page_set *set)
{
	int err = 0;

	set->closed = false;
	for (unsigned int page = 0; page < PAGE_SET_PAGES && !err; page++) {
		err = check_poison(player, set, frame_of(set, page), page);
		store_words(set, frame_of(set, page), set->saved[page]);
	}
	return err;
}

/* B2 of a page */
static int check_page(struct player *player, const struct page_set *set, unsigned int page)
{
	uint64_t words[PAGE_SET_WORDS];

	load_words(set, frame_of(set, page), words);
	if (words[0] != stamp(set, page))
		return player_fail(player, "page %u holds 0x%llx at the end", page,
				   (unsigned long long)words[0]);
	for (unsigned int i = 0; i < set->stress->vcpu_count; i++)
		if (words[1 + i] != set->written[i][page])
			return player_fail(player,
					   "page %u: vCPU %u had written 0x%llx, there is 0x%llx",
					   page, i, (unsigned long long)set->written[i][page],
					   (unsigned long long)words[1 + i]);
	return 0;
}

int page_set_verify(struct player *player, struct page_set *set)
{
	int err = set->closed ? page_set_open(player, set) : 0;

	for (unsigned int page = 0; page < PAGE_SET_PAGES && !err; page++) {
		uint32_t block = u32_load_acquire(&set->block[is_small(set) ? page : 0]);

		err = check_page(player, set, page);
		if (!err)
			err = check_poison(player, set,
					   frame_at(set, !block, page_set_offset(set, page)), page);
	}
	return err;
}

int page_set_prepare(struct player *player)
{
	struct stress *stress = player->stress;
	struct page_set *set = player->arg;

	for (unsigned int i = 0; i < stress->player_count; i++) {
		int err = 0;

		if (stress->players[i].vcpu)
			err = page_set_read(&stress->players[i], set, PAGE_SET_PAGES - 1);
		if (err)
			return err;
	}
	page_set_unmap(set);
	return 0;
}

int page_set_verify_round(struct player *player)
{
	return page_set_verify(player, player->arg);
}
