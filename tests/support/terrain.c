/* Scripted memory with an oracle. See terrain.h. */
#include "support/terrain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "platform/bytes.h"
#include "support/mapped.h"

#define BLOCK_FRAMES ((uint64_t)512)
#define SPARE_BLOCKS 6
#define NO_BLOCK     (~0u)

#define SLOW_ANSWER	   8  /* one in so many takes time, ... */
#define SLOW_ANSWER_PAUSES 68 /* ... enough to lose the CPU */

/*
 * Near the ends of both halves, so that a partial change of a table shows. Never
 * the first: nobody uses it, so its level can be what the checker may expect of a
 * leaf that was made before the host's mapping was broken up (level()).
 */
static const unsigned int tracked[TERRAIN_TRACKED] = {1, 2, 63, 200, 255, 256, 510, 511};
/* Of each block these frames are in use or poisoned: one more than there are tracked pages. */
static const unsigned int used[TERRAIN_TRACKED + 1] = {1, 2, 63, 200, 255, 256, 510, 511, 100};
#define SPARE TERRAIN_TRACKED

/* A region's state: the shape, whether writes are allowed yet, the block. */
#define STATE_WRITABLE	   ((uint64_t)4)
#define STATE_SHAPE(state) ((enum terrain_shape)((state)&3))
#define STATE_BLOCK(state) ((unsigned int)((state) >> 4))

static uint64_t state_of(enum terrain_shape shape, bool writable, unsigned int block)
{
	return (uint64_t)block << 4 | (writable ? STATE_WRITABLE : 0) | shape;
}

uint64_t terrain_offset(unsigned int page)
{
	return page / TERRAIN_TRACKED * BLOCK_FRAMES + tracked[page % TERRAIN_TRACKED];
}

static tdp_pfn_t block_frame(const struct terrain *terrain, unsigned int block, uint64_t index)
{
	return tdp_pfn(terrain->first.n + block * BLOCK_FRAMES + index);
}

static bool in_order(uint64_t state)
{
	return STATE_SHAPE(state) != TERRAIN_SMALL;
}

/* Where page `index` of a region lies; tracked ones move on their own while it is small. */
static tdp_pfn_t frame_of_page(const struct terrain *terrain, const struct terrain_region *region,
			       uint64_t state, uint64_t index)
{
	if (!in_order(state))
		for (unsigned int i = 0; i < TERRAIN_TRACKED; i++)
			if (tracked[i] == index)
				return tdp_pfn(u64_load_acquire(&region->pages[i].pfn));
	return block_frame(terrain, STATE_BLOCK(state), index);
}

/* The first write: rights are added in place, and the huge mapping is broken up. */
static uint64_t allow_writes(struct terrain *terrain, struct terrain_region *region, uint64_t state)
{
	while (!(state & STATE_WRITABLE)) {
		uint64_t new = state_of(TERRAIN_SMALL, true, STATE_BLOCK(state));

		/* While it is huge its pages lie in order: the pfns were kept up to date. */
		if (u64_cas_acq_rel(&region->state, &state, new))
			return new;
	}
	(void)terrain;
	return state;
}

/* Asking the host may take long: by then what it said may not be so any more. */
static void take_time(struct terrain *terrain)
{
	unsigned int rounds = 0;

	if (u64_add_relaxed(&terrain->answers, 1) % SLOW_ANSWER == 0)
		while (rounds < SLOW_ANSWER_PAUSES)
			tdp_pause(&rounds);
}

static int resolve(void *context, void *caller, uint64_t hva, bool write,
		   struct tdp_backing_page *page)
{
	struct terrain *terrain = context;
	uint64_t at = (hva - terrain->backing.hva) >> TDP_PAGE_SHIFT;
	struct terrain_region *region = &terrain->regions[at / BLOCK_FRAMES];
	uint64_t state = u64_load_acquire(&region->state);

	if (write)
		state = allow_writes(terrain, region, state);
	*page = (struct tdp_backing_page){
		.pfn = frame_of_page(terrain, region, state, at % BLOCK_FRAMES),
		.writable = state & STATE_WRITABLE,
	};
	if (caller)
		take_time(terrain);
	return 0;
}

static bool flip(struct terrain *terrain)
{
	return u64_add_relaxed(&terrain->coin, 1) * 0x9e3779b97f4a7c15ULL >> 63;
}

static unsigned int level(void *context, uint64_t hva)
{
	struct terrain *terrain = context;
	uint64_t at = (hva - terrain->backing.hva) >> TDP_PAGE_SHIFT;
	uint64_t state = u64_load_acquire(&terrain->regions[at / BLOCK_FRAMES].state);
	bool first = at % BLOCK_FRAMES == 0;

	switch (STATE_SHAPE(state)) {
	case TERRAIN_HUGE:
		return TDP_2M;
	case TERRAIN_FLICKER:
		if (terrain->config.halves)
			return first || at % BLOCK_FRAMES >= BLOCK_FRAMES / 2 ? TDP_2M : TDP_4K;
		return first || flip(terrain) ? TDP_2M : TDP_4K;
	default:
		return first && terrain->config.write_breaks ? TDP_2M : TDP_4K;
	}
}

static int peek(void *context, uint64_t hva, struct tdp_backing_page *page)
{
	return resolve(context, NULL, hva, false, page);
}

static const struct tdp_backing_ops ops = {.resolve = resolve, .level = level, .peek = peek};

static uint64_t *words_of(const struct terrain *terrain, tdp_pfn_t pfn)
{
	return tdp_host_frame(terrain->stress->host, pfn);
}

static void write_words(const struct terrain *terrain, tdp_pfn_t pfn, uint64_t first, uint64_t rest)
{
	uint64_t words[TERRAIN_WORDS];

	words[0] = first;
	for (unsigned int i = 1; i < TERRAIN_WORDS; i++)
		words[i] = rest;
	bytes_store(words_of(terrain, pfn), words, sizeof(words));
}

static void poison(const struct terrain *terrain, tdp_pfn_t pfn)
{
	write_words(terrain, pfn, TERRAIN_POISON, TERRAIN_POISON);
}

/* S3 */
static int check_poison(struct player *player, const struct terrain *terrain, tdp_pfn_t pfn)
{
	uint64_t words[TERRAIN_WORDS];

	bytes_load(words, words_of(terrain, pfn), sizeof(words));
	for (unsigned int i = 0; i < TERRAIN_WORDS; i++)
		if (words[i] != TERRAIN_POISON)
			return player_fail(player,
					   "frame 0x%llx: word %u became 0x%llx after the "
					   "frame had been unmapped",
					   (unsigned long long)pfn.n, i,
					   (unsigned long long)words[i]);
	return 0;
}

/* A new epoch of a page in a frame that nobody maps. */
static void give_birth(const struct terrain *terrain, struct terrain_page *page, tdp_pfn_t pfn)
{
	uint64_t epoch = u64_load_relaxed(&page->born) + 1;

	write_words(terrain, pfn, terrain_stamp(page, epoch), 0);
	u64_store_release(&page->born, epoch);
	u64_store_release(&page->pfn, pfn.n);
}

/* After begin: the page's frame may be touched by nobody any more. */
static void bury(const struct terrain *terrain, struct terrain_page *page, tdp_pfn_t pfn)
{
	u64_store_release(&page->dead, u64_load_relaxed(&page->born));
	poison(terrain, pfn);
}

/* S4 */
static int check_unmapped(struct player *player, const struct terrain *terrain, uint64_t at,
			  tdp_pfn_t pfn)
{
	bool found = false;

	for (unsigned int i = 0; i < 2; i++)
		found |= mapped_anywhere(terrain->stress->vm, terrain->places[i].address_space,
					 tdp_gfn(terrain->places[i].gfn.n + at), pfn);
	if (!found)
		return 0;
	return player_fail(player, "frame 0x%llx is mapped after it was unmapped everywhere",
			   (unsigned long long)pfn.n);
}

static unsigned int take_block(struct terrain *terrain)
{
	uint64_t taken = u64_load_relaxed(&terrain->blocks_taken); /* feeds the swap */

	for (;;) {
		unsigned int block = 0;

		while (block < terrain->blocks && (taken >> block & 1))
			block++;
		if (block == terrain->blocks)
			return NO_BLOCK;
		if (u64_cas_acq_rel(&terrain->blocks_taken, &taken, taken | 1ULL << block))
			return block;
	}
}

static void give_block(struct terrain *terrain, unsigned int block)
{
	u64_and_acq_rel(&terrain->blocks_taken, ~(1ULL << block));
}

/* Small regions have their pages in an order of their own. */
static void place_pages(struct terrain *terrain, struct terrain_region *region, uint64_t state,
			unsigned int turn)
{
	unsigned int block = STATE_BLOCK(state);

	for (unsigned int i = 0; i < TERRAIN_TRACKED; i++) {
		unsigned int at = in_order(state) ? i : (i + turn) % TERRAIN_TRACKED;

		give_birth(terrain, &region->pages[i], block_frame(terrain, block, used[at]));
	}
	region->spare = block_frame(terrain, block, used[SPARE]);
}

static enum terrain_shape choose_shape(const struct terrain_config *config, uint64_t random)
{
	if (config->small_only)
		return TERRAIN_SMALL;
	if (config->huge_only || config->write_breaks)
		return TERRAIN_HUGE;
	if (config->flicker_only || config->halves)
		return TERRAIN_FLICKER;
	return (enum terrain_shape)(random % 3);
}

static bool try_take(struct terrain_region *region)
{
	uint32_t idle = 0;

	return u32_cas_acq_rel(&region->busy, &idle, 1);
}

static void give_back(struct terrain_region *region)
{
	u32_store_release(&region->busy, 0);
}

static void tell_begin(const struct terrain *terrain, uint64_t page, uint64_t pages)
{
	uint64_t start = terrain->backing.hva + (page << TDP_PAGE_SHIFT);

	tdp_host_invalidate_begin(terrain->stress->host, start, start + (pages << TDP_PAGE_SHIFT));
}

static void tell_end(const struct terrain *terrain, uint64_t page, uint64_t pages)
{
	uint64_t start = terrain->backing.hva + (page << TDP_PAGE_SHIFT);

	tdp_host_invalidate_end(terrain->stress->host, start, start + (pages << TDP_PAGE_SHIFT));
}

static int check_block(struct player *player, const struct terrain *terrain, unsigned int block)
{
	int verdict = 0;

	for (unsigned int i = 0; i <= SPARE && !verdict; i++)
		verdict = check_poison(player, terrain, block_frame(terrain, block, used[i]));
	return verdict;
}

static int bury_page(struct player *player, struct terrain *terrain, struct terrain_region *region,
		     unsigned int which)
{
	uint64_t state = u64_load_acquire(&region->state);
	tdp_pfn_t pfn = frame_of_page(terrain, region, state, tracked[which]);
	uint64_t at = (uint64_t)(region - terrain->regions) * BLOCK_FRAMES + tracked[which];

	bury(terrain, &region->pages[which], pfn);
	return check_unmapped(player, terrain, at, pfn);
}

static int bury_region(struct player *player, struct terrain *terrain,
		       struct terrain_region *region)
{
	int verdict = 0;

	for (unsigned int i = 0; i < TERRAIN_TRACKED && !verdict; i++)
		verdict = bury_page(player, terrain, region, i);
	return verdict;
}

/* Between begin and end: all tracked pages of a region go to another block. */
static int rebuild(struct player *player, struct terrain *terrain, struct terrain_region *region,
		   unsigned int block)
{
	unsigned int old = STATE_BLOCK(u64_load_acquire(&region->state));
	unsigned int turn = (unsigned int)player_below(player, TERRAIN_TRACKED);
	uint64_t state = state_of(choose_shape(&terrain->config, player_random(player)),
				  !terrain->config.write_breaks, block);
	int verdict = bury_region(player, terrain, region);

	player_dawdle(player, 3);
	if (!verdict)
		verdict = check_block(player, terrain, old);
	if (!verdict)
		verdict = check_block(player, terrain, block);
	place_pages(terrain, region, state, turn);
	u64_store_release(&region->state, state);
	return verdict;
}

int terrain_move_region(struct player *player, struct terrain *terrain, unsigned int index)
{
	struct terrain_region *region = &terrain->regions[index];
	unsigned int block, old;
	int verdict;

	if (!try_take(region))
		return 0;
	block = take_block(terrain);
	if (block == NO_BLOCK) {
		give_back(region);
		return 0;
	}
	tell_begin(terrain, index * BLOCK_FRAMES, BLOCK_FRAMES);
	old = STATE_BLOCK(u64_load_acquire(&region->state));
	verdict = rebuild(player, terrain, region, block);
	tell_end(terrain, index * BLOCK_FRAMES, BLOCK_FRAMES);
	give_block(terrain, old);
	give_back(region);
	return verdict;
}

/* The page goes to the region's spare frame, its own becomes the spare. */
static int replace_page(struct player *player, struct terrain *terrain,
			struct terrain_region *region, unsigned int which)
{
	struct terrain_page *page = &region->pages[which];
	uint64_t state = u64_load_acquire(&region->state);
	tdp_pfn_t old = frame_of_page(terrain, region, state, tracked[which]);
	int verdict = bury_page(player, terrain, region, which);

	player_dawdle(player, 3);
	if (!verdict)
		verdict = check_poison(player, terrain, old);
	if (!verdict)
		verdict = check_poison(player, terrain, region->spare);
	give_birth(terrain, page, region->spare);
	region->spare = old;
	/* A small region's state is left alone: another page's first write may change it. */
	if (in_order(state))
		u64_store_release(&region->state, state_of(TERRAIN_SMALL, state & STATE_WRITABLE,
							   STATE_BLOCK(state)));
	return verdict;
}

/*
 * A huge mapping of the host is broken up as a whole: all of it is told of, as
 * __split_huge_pmd() in mm/huge_memory.c, 6.12, does.
 */
int terrain_move_page(struct player *player, struct terrain *terrain, unsigned int page)
{
	unsigned int index = page / TERRAIN_TRACKED;
	struct terrain_region *region = &terrain->regions[index];
	uint64_t at = terrain_offset(page), pages = 1;
	int verdict;

	if (!try_take(region))
		return 0;
	if (in_order(u64_load_acquire(&region->state))) {
		at = index * BLOCK_FRAMES;
		pages = BLOCK_FRAMES;
	}
	tell_begin(terrain, at, pages);
	verdict = replace_page(player, terrain, region, page % TERRAIN_TRACKED);
	tell_end(terrain, at, pages);
	give_back(region);
	return verdict;
}

static void take(struct terrain_region *region)
{
	unsigned int rounds = 0;

	while (!try_take(region))
		tdp_pause(&rounds);
}

/* Of regions that were buried: each page is born again, if it can be in another frame. */
static int give_new_epochs(struct player *player, struct terrain *terrain)
{
	int verdict = 0;

	for (unsigned int r = 0; r < terrain->config.regions; r++) {
		struct terrain_region *region = &terrain->regions[r];
		uint64_t state = u64_load_acquire(&region->state);

		if (!verdict)
			verdict = check_block(player, terrain, STATE_BLOCK(state));
		place_pages(terrain, region, state,
			    (unsigned int)player_below(player, TERRAIN_TRACKED));
	}
	return verdict;
}

static int bury_all(struct player *player, struct terrain *terrain)
{
	int verdict = 0;

	for (unsigned int r = 0; r < terrain->config.regions && !verdict; r++)
		verdict = bury_region(player, terrain, &terrain->regions[r]);
	return verdict;
}

int terrain_move_all(struct player *player, struct terrain *terrain)
{
	int verdict;

	for (unsigned int r = 0; r < terrain->config.regions; r++)
		take(&terrain->regions[r]);
	tell_begin(terrain, 0, terrain_frames(terrain));
	verdict = bury_all(player, terrain);
	player_dawdle(player, 3);
	if (!verdict)
		verdict = give_new_epochs(player, terrain);
	tell_end(terrain, 0, terrain_frames(terrain));
	for (unsigned int r = 0; r < terrain->config.regions; r++)
		give_back(&terrain->regions[r]);
	return verdict;
}

void terrain_bother(struct player *player, struct terrain *terrain)
{
	uint64_t frames = terrain_frames(terrain), first = player_below(player, frames);
	uint64_t pages = 1 + player_below(player, frames - first);

	tell_begin(terrain, first, pages);
	player_dawdle(player, 3);
	tell_end(terrain, first, pages);
}

int terrain_close(struct player *player, struct terrain *terrain)
{
	for (unsigned int r = 0; r < terrain->config.regions; r++)
		take(&terrain->regions[r]);
	return bury_all(player, terrain);
}

int terrain_open(struct player *player, struct terrain *terrain)
{
	int verdict = give_new_epochs(player, terrain);

	for (unsigned int r = 0; r < terrain->config.regions; r++)
		give_back(&terrain->regions[r]);
	return verdict;
}

bool terrain_owns(const struct terrain *terrain, tdp_pfn_t pfn)
{
	return pfn.n - terrain->first.n < terrain->blocks * BLOCK_FRAMES;
}

struct terrain_memory *terrain_memories(struct stress *stress, const struct terrain *terrain)
{
	return stress_allocate(stress, (size_t)stress->vcpu_count * terrain_pages(terrain) *
					       sizeof(struct terrain_memory));
}

static void poison_block(struct terrain *terrain, unsigned int block)
{
	for (unsigned int i = 0; i <= SPARE; i++)
		poison(terrain, block_frame(terrain, block, used[i]));
}

static void fill(struct terrain *terrain)
{
	struct stress *stress = terrain->stress;

	for (unsigned int block = 0; block < terrain->blocks; block++)
		poison_block(terrain, block);
	for (unsigned int r = 0; r < terrain->config.regions; r++) {
		struct terrain_region *region = &terrain->regions[r];
		unsigned int block = take_block(terrain);
		uint64_t state = state_of(choose_shape(&terrain->config, r),
					  !terrain->config.write_breaks, block);

		for (unsigned int i = 0; i < TERRAIN_TRACKED; i++)
			region->pages[i].id = stress->next_page++;
		place_pages(terrain, region, state, r);
		u64_init(&region->state, state);
	}
}

struct terrain *terrain_create(struct stress *stress, const struct terrain_config *config)
{
	struct terrain *terrain = stress_allocate(
		stress, sizeof(*terrain) + config->regions * sizeof(terrain->regions[0]));
	uint64_t bytes = config->regions * tdp_level_bytes(TDP_2M);

	if (!terrain)
		return NULL;
	terrain->stress = stress;
	terrain->config = *config;
	terrain->blocks = config->regions + SPARE_BLOCKS;
	terrain->first = tdp_pfn(tdp_host_carveout(stress->host).n +
				 (stress->carveout_used >> TDP_PAGE_SHIFT));
	stress->carveout_used += terrain->blocks * tdp_level_bytes(TDP_2M);
	terrain->backing = (struct tdp_backing){
		.ops = &ops, .context = terrain, .hva = stress->next_hva, .bytes = bytes};
	/* Congruent in 1G, with a hole behind it. */
	stress->next_hva +=
		(bytes + 2 * tdp_level_bytes(TDP_1G) - 1) & ~(tdp_level_bytes(TDP_1G) - 1);
	fill(terrain);
	return terrain;
}
