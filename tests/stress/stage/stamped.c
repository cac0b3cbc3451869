/* Scripted memory whose content is known. See stamped.h. */
#include "stress/stage/stamped.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "platform/bytes.h"
#include "stress/stage/mapped.h"

#define BLOCK_FRAMES ((uint64_t)512)
#define SPARE_BLOCKS 6
#define NO_BLOCK     (~0u)

#define SLOW_ANSWER	   8  /* one in so many calls of resolve() is slow */
#define SLOW_ANSWER_PAUSES 68 /* enough to lose the CPU */

/*
 * Near the ends of both halves, so that a partial change of a table shows. Never page 0:
 * no player accesses it, so level() can answer for it the largest level that a leaf may
 * still have which was made before the host's mapping was split.
 */
static const unsigned int offsets[STAMPED_PAGES] = {1, 2, 63, 200, 255, 256, 510, 511};
/* The frames of a block that are in use or poisoned: one more than the tracked pages. */
static const unsigned int used[STAMPED_PAGES + 1] = {1, 2, 63, 200, 255, 256, 510, 511, 100};
#define SPARE STAMPED_PAGES

/* The state of a region: shape, whether writes are allowed yet, block. */
#define STATE_WRITABLE	   ((uint64_t)4)
#define STATE_SHAPE(state) ((enum stamped_shape)((state)&3))
#define STATE_BLOCK(state) ((unsigned int)((state) >> 4))

static uint64_t state_of(enum stamped_shape shape, bool writable, unsigned int block)
{
	return (uint64_t)block << 4 | (writable ? STATE_WRITABLE : 0) | shape;
}

uint64_t stamped_offset(unsigned int page)
{
	return page / STAMPED_PAGES * BLOCK_FRAMES + offsets[page % STAMPED_PAGES];
}

static tdp_pfn_t block_frame(const struct stamped *memory, unsigned int block, uint64_t index)
{
	return tdp_pfn(memory->first.n + block * BLOCK_FRAMES + index);
}

static bool in_order(uint64_t state)
{
	return STATE_SHAPE(state) != STAMPED_4K;
}

/* The frame of page `index` of a region. Tracked pages of a 4K region move alone. */
static tdp_pfn_t frame_of_page(const struct stamped *memory, const struct stamped_region *region,
			       uint64_t state, uint64_t index)
{
	if (!in_order(state))
		for (unsigned int i = 0; i < STAMPED_PAGES; i++)
			if (offsets[i] == index)
				return tdp_pfn(u64_load_acquire(&region->pages[i].pfn));
	return block_frame(memory, STATE_BLOCK(state), index);
}

/* The first write adds rights in place and splits the huge mapping. */
static uint64_t allow_writes(struct stamped *memory, struct stamped_region *region, uint64_t state)
{
	while (!(state & STATE_WRITABLE)) {
		uint64_t new = state_of(STAMPED_4K, true, STATE_BLOCK(state));

		/* The pages of a huge region lie in order, and their pfns are up to date. */
		if (u64_cas_acq_rel(&region->state, &state, new))
			return new;
	}
	(void)memory;
	return state;
}

/* A call of the host may take long, and its answer may then be stale. */
static void take_time(struct stamped *memory)
{
	unsigned int rounds = 0;

	if (u64_add_relaxed(&memory->answers, 1) % SLOW_ANSWER == 0)
		while (rounds < SLOW_ANSWER_PAUSES)
			tdp_pause(&rounds);
}

static int resolve(void *context, void *caller, uint64_t hva, bool write,
		   struct tdp_backing_page *page)
{
	struct stamped *memory = context;
	uint64_t at = (hva - memory->backing.hva) >> TDP_PAGE_SHIFT;
	struct stamped_region *region = &memory->regions[at / BLOCK_FRAMES];
	uint64_t state = u64_load_acquire(&region->state);

	if (write)
		state = allow_writes(memory, region, state);
	*page = (struct tdp_backing_page){
		.pfn = frame_of_page(memory, region, state, at % BLOCK_FRAMES),
		.writable = state & STATE_WRITABLE,
	};
	if (caller)
		take_time(memory);
	return 0;
}

static bool flip(struct stamped *memory)
{
	return u64_add_relaxed(&memory->coin, 1) * 0x9e3779b97f4a7c15ULL >> 63;
}

static unsigned int level(void *context, uint64_t hva)
{
	struct stamped *memory = context;
	uint64_t at = (hva - memory->backing.hva) >> TDP_PAGE_SHIFT;
	uint64_t state = u64_load_acquire(&memory->regions[at / BLOCK_FRAMES].state);
	bool first = at % BLOCK_FRAMES == 0;

	switch (STATE_SHAPE(state)) {
	case STAMPED_2M:
		return TDP_2M;
	case STAMPED_MIXED:
		if (memory->config.halves)
			return first || at % BLOCK_FRAMES >= BLOCK_FRAMES / 2 ? TDP_2M : TDP_4K;
		return first || flip(memory) ? TDP_2M : TDP_4K;
	default:
		return first && memory->config.write_breaks ? TDP_2M : TDP_4K;
	}
}

static int peek(void *context, uint64_t hva, struct tdp_backing_page *page)
{
	return resolve(context, NULL, hva, false, page);
}

static const struct tdp_backing_ops ops = {.resolve = resolve, .level = level, .peek = peek};

static uint64_t *words_of(const struct stamped *memory, tdp_pfn_t pfn)
{
	return tdp_host_frame(memory->stress->host, pfn);
}

static void write_words(const struct stamped *memory, tdp_pfn_t pfn, uint64_t first, uint64_t rest)
{
	uint64_t words[STAMPED_WORDS];

	words[0] = first;
	for (unsigned int i = 1; i < STAMPED_WORDS; i++)
		words[i] = rest;
	bytes_store(words_of(memory, pfn), words, sizeof(words));
}

static void poison(const struct stamped *memory, tdp_pfn_t pfn)
{
	write_words(memory, pfn, STAMPED_POISON, STAMPED_POISON);
}

/* S3 */
static int check_poison(struct player *player, const struct stamped *memory, tdp_pfn_t pfn)
{
	uint64_t words[STAMPED_WORDS];

	bytes_load(words, words_of(memory, pfn), sizeof(words));
	for (unsigned int i = 0; i < STAMPED_WORDS; i++)
		if (words[i] != STAMPED_POISON)
			return player_fail(player,
					   "frame 0x%llx: word %u became 0x%llx after the "
					   "frame had been unmapped",
					   (unsigned long long)pfn.n, i,
					   (unsigned long long)words[i]);
	return 0;
}

/* Begins an epoch of a page in a frame that nothing maps. */
static void begin_epoch(const struct stamped *memory, struct stamped_page *page, tdp_pfn_t pfn)
{
	uint64_t epoch = u64_load_relaxed(&page->born) + 1;

	write_words(memory, pfn, stamped_word(page, epoch), 0);
	u64_store_release(&page->born, epoch);
	u64_store_release(&page->pfn, pfn.n);
}

/* After begin: nothing may access the frame of the page any more. */
static void end_epoch(const struct stamped *memory, struct stamped_page *page, tdp_pfn_t pfn)
{
	u64_store_release(&page->dead, u64_load_relaxed(&page->born));
	poison(memory, pfn);
}

/* S4 */
static int check_unmapped(struct player *player, const struct stamped *memory, uint64_t at,
			  tdp_pfn_t pfn)
{
	bool found = false;

	for (unsigned int i = 0; i < 2; i++)
		found |= mapped_anywhere(memory->stress->vm, memory->places[i].address_space,
					 tdp_gfn(memory->places[i].gfn.n + at), pfn);
	if (!found)
		return 0;
	return player_fail(player, "frame 0x%llx is mapped after it was unmapped everywhere",
			   (unsigned long long)pfn.n);
}

static unsigned int take_block(struct stamped *memory)
{
	uint64_t taken = u64_load_relaxed(
		&memory->blocks_taken); /* for the compare-and-swap, which fails if it is stale */

	for (;;) {
		unsigned int block = 0;

		while (block < memory->blocks && (taken >> block & 1))
			block++;
		if (block == memory->blocks)
			return NO_BLOCK;
		if (u64_cas_acq_rel(&memory->blocks_taken, &taken, taken | 1ULL << block))
			return block;
	}
}

static void give_block(struct stamped *memory, unsigned int block)
{
	u64_and_acq_rel(&memory->blocks_taken, ~(1ULL << block));
}

/* The pages of a 4K region are shuffled by `turn`. */
static void place_pages(struct stamped *memory, struct stamped_region *region, uint64_t state,
			unsigned int turn)
{
	unsigned int block = STATE_BLOCK(state);

	for (unsigned int i = 0; i < STAMPED_PAGES; i++) {
		unsigned int at = in_order(state) ? i : (i + turn) % STAMPED_PAGES;

		begin_epoch(memory, &region->pages[i], block_frame(memory, block, used[at]));
	}
	region->spare = block_frame(memory, block, used[SPARE]);
}

static enum stamped_shape choose_shape(const struct stamped_config *config, uint64_t random)
{
	if (config->small_only)
		return STAMPED_4K;
	if (config->huge_only || config->write_breaks)
		return STAMPED_2M;
	if (config->mixed_only || config->halves)
		return STAMPED_MIXED;
	return (enum stamped_shape)(random % 3);
}

static bool try_take(struct stamped_region *region)
{
	uint32_t idle = 0;

	return u32_cas_acq_rel(&region->busy, &idle, 1);
}

static void give_back(struct stamped_region *region)
{
	u32_store_release(&region->busy, 0);
}

static void invalidate_begin(const struct stamped *memory, uint64_t page, uint64_t pages)
{
	uint64_t start = memory->backing.hva + (page << TDP_PAGE_SHIFT);

	tdp_host_invalidate_begin(memory->stress->host, start, start + (pages << TDP_PAGE_SHIFT));
}

static void invalidate_end(const struct stamped *memory, uint64_t page, uint64_t pages)
{
	uint64_t start = memory->backing.hva + (page << TDP_PAGE_SHIFT);

	tdp_host_invalidate_end(memory->stress->host, start, start + (pages << TDP_PAGE_SHIFT));
}

static int check_block(struct player *player, const struct stamped *memory, unsigned int block)
{
	int verdict = 0;

	for (unsigned int i = 0; i <= SPARE && !verdict; i++)
		verdict = check_poison(player, memory, block_frame(memory, block, used[i]));
	return verdict;
}

static int end_page(struct player *player, struct stamped *memory, struct stamped_region *region,
		    unsigned int which)
{
	uint64_t state = u64_load_acquire(&region->state);
	tdp_pfn_t pfn = frame_of_page(memory, region, state, offsets[which]);
	uint64_t at = (uint64_t)(region - memory->regions) * BLOCK_FRAMES + offsets[which];

	end_epoch(memory, &region->pages[which], pfn);
	return check_unmapped(player, memory, at, pfn);
}

static int end_region(struct player *player, struct stamped *memory, struct stamped_region *region)
{
	int verdict = 0;

	for (unsigned int i = 0; i < STAMPED_PAGES && !verdict; i++)
		verdict = end_page(player, memory, region, i);
	return verdict;
}

/* Between begin and end: moves all tracked pages of a region to another block. */
static int rebuild(struct player *player, struct stamped *memory, struct stamped_region *region,
		   unsigned int block)
{
	unsigned int old = STATE_BLOCK(u64_load_acquire(&region->state));
	unsigned int turn = (unsigned int)player_below(player, STAMPED_PAGES);
	uint64_t state = state_of(choose_shape(&memory->config, player_random(player)),
				  !memory->config.write_breaks, block);
	int verdict = end_region(player, memory, region);

	player_delay(player, 3);
	if (!verdict)
		verdict = check_block(player, memory, old);
	if (!verdict)
		verdict = check_block(player, memory, block);
	place_pages(memory, region, state, turn);
	u64_store_release(&region->state, state);
	return verdict;
}

int stamped_move_region(struct player *player, struct stamped *memory, unsigned int index)
{
	struct stamped_region *region = &memory->regions[index];
	unsigned int block, old;
	int verdict;

	if (!try_take(region))
		return 0;
	block = take_block(memory);
	if (block == NO_BLOCK) {
		give_back(region);
		return 0;
	}
	invalidate_begin(memory, index * BLOCK_FRAMES, BLOCK_FRAMES);
	old = STATE_BLOCK(u64_load_acquire(&region->state));
	verdict = rebuild(player, memory, region, block);
	invalidate_end(memory, index * BLOCK_FRAMES, BLOCK_FRAMES);
	give_block(memory, old);
	give_back(region);
	return verdict;
}

/* Moves the page to the spare frame; its old frame becomes the spare. */
static int replace_page(struct player *player, struct stamped *memory,
			struct stamped_region *region, unsigned int which)
{
	struct stamped_page *page = &region->pages[which];
	uint64_t state = u64_load_acquire(&region->state);
	tdp_pfn_t old = frame_of_page(memory, region, state, offsets[which]);
	int verdict = end_page(player, memory, region, which);

	player_delay(player, 3);
	if (!verdict)
		verdict = check_poison(player, memory, old);
	if (!verdict)
		verdict = check_poison(player, memory, region->spare);
	begin_epoch(memory, page, region->spare);
	region->spare = old;
	/* The state of a 4K region does not change: a first write to another page may store it. */
	if (in_order(state))
		u64_store_release(&region->state,
				  state_of(STAMPED_4K, state & STATE_WRITABLE, STATE_BLOCK(state)));
	return verdict;
}

/*
 * The host splits a huge mapping as a whole and notifies about all of it, as
 * __split_huge_pmd() in mm/huge_memory.c, 6.12, does.
 */
int stamped_move_page(struct player *player, struct stamped *memory, unsigned int page)
{
	unsigned int index = page / STAMPED_PAGES;
	struct stamped_region *region = &memory->regions[index];
	uint64_t at = stamped_offset(page), pages = 1;
	int verdict;

	if (!try_take(region))
		return 0;
	if (in_order(u64_load_acquire(&region->state))) {
		at = index * BLOCK_FRAMES;
		pages = BLOCK_FRAMES;
	}
	invalidate_begin(memory, at, pages);
	verdict = replace_page(player, memory, region, page % STAMPED_PAGES);
	invalidate_end(memory, at, pages);
	give_back(region);
	return verdict;
}

static void take(struct stamped_region *region)
{
	unsigned int rounds = 0;

	while (!try_take(region))
		tdp_pause(&rounds);
}

/* Begins a new epoch of each page, in another frame if the shape allows. */
static int give_new_epochs(struct player *player, struct stamped *memory)
{
	int verdict = 0;

	for (unsigned int r = 0; r < memory->config.regions; r++) {
		struct stamped_region *region = &memory->regions[r];
		uint64_t state = u64_load_acquire(&region->state);

		if (!verdict)
			verdict = check_block(player, memory, STATE_BLOCK(state));
		place_pages(memory, region, state,
			    (unsigned int)player_below(player, STAMPED_PAGES));
	}
	return verdict;
}

static int end_all(struct player *player, struct stamped *memory)
{
	int verdict = 0;

	for (unsigned int r = 0; r < memory->config.regions && !verdict; r++)
		verdict = end_region(player, memory, &memory->regions[r]);
	return verdict;
}

int stamped_move_all(struct player *player, struct stamped *memory)
{
	int verdict;

	for (unsigned int r = 0; r < memory->config.regions; r++)
		take(&memory->regions[r]);
	invalidate_begin(memory, 0, stamped_frames(memory));
	verdict = end_all(player, memory);
	player_delay(player, 3);
	if (!verdict)
		verdict = give_new_epochs(player, memory);
	invalidate_end(memory, 0, stamped_frames(memory));
	for (unsigned int r = 0; r < memory->config.regions; r++)
		give_back(&memory->regions[r]);
	return verdict;
}

void stamped_invalidate(struct player *player, struct stamped *memory)
{
	uint64_t frames = stamped_frames(memory), first = player_below(player, frames);
	uint64_t pages = 1 + player_below(player, frames - first);

	invalidate_begin(memory, first, pages);
	player_delay(player, 3);
	invalidate_end(memory, first, pages);
}

int stamped_close(struct player *player, struct stamped *memory)
{
	for (unsigned int r = 0; r < memory->config.regions; r++)
		take(&memory->regions[r]);
	return end_all(player, memory);
}

int stamped_open(struct player *player, struct stamped *memory)
{
	int verdict = give_new_epochs(player, memory);

	for (unsigned int r = 0; r < memory->config.regions; r++)
		give_back(&memory->regions[r]);
	return verdict;
}

bool stamped_owns(const struct stamped *memory, tdp_pfn_t pfn)
{
	return pfn.n - memory->first.n < memory->blocks * BLOCK_FRAMES;
}

struct stamped_record *stamped_records(struct stress *stress, const struct stamped *memory)
{
	return stress_allocate(stress, (size_t)stress->vcpu_count * stamped_pages(memory) *
					       sizeof(struct stamped_record));
}

static void poison_block(struct stamped *memory, unsigned int block)
{
	for (unsigned int i = 0; i <= SPARE; i++)
		poison(memory, block_frame(memory, block, used[i]));
}

static void fill(struct stamped *memory)
{
	struct stress *stress = memory->stress;

	for (unsigned int block = 0; block < memory->blocks; block++)
		poison_block(memory, block);
	for (unsigned int r = 0; r < memory->config.regions; r++) {
		struct stamped_region *region = &memory->regions[r];
		unsigned int block = take_block(memory);
		uint64_t state = state_of(choose_shape(&memory->config, r),
					  !memory->config.write_breaks, block);

		for (unsigned int i = 0; i < STAMPED_PAGES; i++)
			region->pages[i].id = stress->next_page++;
		place_pages(memory, region, state, r);
		u64_init(&region->state, state);
	}
}

struct stamped *stamped_create(struct stress *stress, const struct stamped_config *config)
{
	struct stamped *memory = stress_allocate(
		stress, sizeof(*memory) + config->regions * sizeof(memory->regions[0]));
	uint64_t bytes = config->regions * tdp_level_bytes(TDP_2M);

	if (!memory)
		return NULL;
	memory->stress = stress;
	memory->config = *config;
	memory->blocks = config->regions + SPARE_BLOCKS;
	memory->first = tdp_pfn(tdp_host_carveout(stress->host).n +
				(stress->carveout_used >> TDP_PAGE_SHIFT));
	stress->carveout_used += memory->blocks * tdp_level_bytes(TDP_2M);
	memory->backing = (struct tdp_backing){
		.ops = &ops, .context = memory, .hva = stress->next_hva, .bytes = bytes};
	/* Aligned to 1G, with a hole behind it. */
	stress->next_hva +=
		(bytes + 2 * tdp_level_bytes(TDP_1G) - 1) & ~(tdp_level_bytes(TDP_1G) - 1);
	fill(memory);
	return memory;
}
