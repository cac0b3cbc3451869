/*
 * The buddy allocator; see buddy.h for its promises. The caller of a function named
 * *_locked holds the lock. Such a function allocates no memory: it takes records that it
 * needs from a struct spare, and puts records that it no longer needs into one.
 */
#include "host/buddy.h"

#include <errno.h>

#include "platform/check.h"

/* A 2M block that is allocated frame by frame. */
struct broken_block {
	uint64_t free[MAP_WORDS];
	unsigned int free_count; /* on the partial list exactly when not 0 */
	uint64_t first;		 /* frame */
	LIST_ENTRY(broken_block) partial;
};

/* A 1G unit that is allocated in 2M blocks, or less. */
struct broken_unit {
	uint64_t free[MAP_WORDS];     /* blocks outside of the buddy's range are never free */
	unsigned int free_count;      /* on the partial list exactly when not 0 */
	uint64_t first;		      /* frame */
	struct broken_block **blocks; /* NULL until a block of the unit is broken; then kept */
	LIST_ENTRY(broken_unit) partial;
};

/* Records that a break may use, or that a merge no longer needs. */
struct spare {
	struct broken_unit *unit;
	struct broken_block **blocks;
	struct broken_block *block;
};

#define BLOCKS_BYTES (UNIT_BLOCKS * sizeof(struct broken_block *))

static bool map_test(const uint64_t *map, uint64_t bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}

static void map_set(uint64_t *map, uint64_t bit)
{
	map[bit / 64] |= (uint64_t)1 << (bit % 64);
}

static void map_clear(uint64_t *map, uint64_t bit)
{
	map[bit / 64] &= ~((uint64_t)1 << (bit % 64));
}

/* The lowest bit that is set; there is one. */
static unsigned int map_lowest(const uint64_t *map)
{
	unsigned int word = 0;

	while (map[word] == 0)
		word++;
	return word * 64 + (unsigned int)__builtin_ctzll(map[word]);
}

/* Units are counted from the 1G boundary at or below `first`, so that they are aligned. */
static uint64_t unit_base(const struct buddy *buddy)
{
	return buddy->first & ~(UNIT_FRAMES - 1);
}

static uint64_t unit_count(const struct buddy *buddy)
{
	return (buddy->end - unit_base(buddy) + UNIT_FRAMES - 1) / UNIT_FRAMES;
}

static uint64_t unit_words(const struct buddy *buddy)
{
	return (unit_count(buddy) + 63) / 64;
}

static uint64_t unit_of(const struct buddy *buddy, uint64_t frame)
{
	return (frame - unit_base(buddy)) / UNIT_FRAMES;
}

static void spare_release(struct tdp_host *host, struct spare *spare)
{
	host_release(host, spare->unit, sizeof(*spare->unit));
	host_release(host, spare->blocks, BLOCKS_BYTES);
	host_release(host, spare->block, sizeof(*spare->block));
}

/* The first word at or above lowest_word that has a free unit, or unit_words(). */
static uint64_t free_unit_word(struct buddy *buddy)
{
	uint64_t words = unit_words(buddy);

	while (buddy->lowest_word < words && buddy->free_units[buddy->lowest_word] == 0)
		buddy->lowest_word++;
	return buddy->lowest_word;
}

static bool has_free_unit_locked(struct buddy *buddy)
{
	return free_unit_word(buddy) < unit_words(buddy);
}

static uint64_t take_unit_locked(struct buddy *buddy)
{
	uint64_t word = free_unit_word(buddy);
	uint64_t unit = word * 64 + (uint64_t)__builtin_ctzll(buddy->free_units[word]);

	map_clear(buddy->free_units, unit);
	return unit_base(buddy) + unit * UNIT_FRAMES;
}

static void put_unit_locked(struct buddy *buddy, uint64_t frame)
{
	uint64_t unit = unit_of(buddy, frame);

	CHECK(!buddy->units[unit] && !map_test(buddy->free_units, unit)); /* B4 */
	map_set(buddy->free_units, unit);
	if (unit / 64 < buddy->lowest_word)
		buddy->lowest_word = unit / 64;
}

/* Makes `unit` the record of the 1G at `first`, of which [from, to) is free. */
static void unit_open(struct buddy *buddy, struct broken_unit *unit, uint64_t first, uint64_t from,
		      uint64_t to)
{
	unit->first = first;
	for (uint64_t frame = from; frame < to; frame += BLOCK_FRAMES)
		map_set(unit->free, (frame - first) / BLOCK_FRAMES);
	unit->free_count = (unsigned int)((to - from) / BLOCK_FRAMES);
	buddy->units[unit_of(buddy, first)] = unit;
	LIST_INSERT_HEAD(&buddy->partial_units, unit, partial);
}

static uint64_t take_block_locked(struct buddy *buddy, struct spare *spare)
{
	struct broken_unit *unit = LIST_FIRST(&buddy->partial_units);
	unsigned int block;
	uint64_t first;

	if (!unit) {
		first = take_unit_locked(buddy);
		unit = spare->unit;
		spare->unit = NULL;
		unit_open(buddy, unit, first, first, first + UNIT_FRAMES);
	}
	block = map_lowest(unit->free);
	map_clear(unit->free, block);
	if (--unit->free_count == 0)
		LIST_REMOVE(unit, partial);
	return unit->first + (uint64_t)block * BLOCK_FRAMES;
}

static void unit_close(struct buddy *buddy, struct broken_unit *unit, struct spare *out)
{
	LIST_REMOVE(unit, partial);
	buddy->units[unit_of(buddy, unit->first)] = NULL;
	put_unit_locked(buddy, unit->first);
	out->unit = unit;
	out->blocks = unit->blocks;
}

static void put_block_locked(struct buddy *buddy, uint64_t frame, struct spare *out)
{
	struct broken_unit *unit = buddy->units[unit_of(buddy, frame)];
	uint64_t block;

	CHECK(unit); /* B4, as the next line */
	block = (frame - unit->first) / BLOCK_FRAMES;
	CHECK(!map_test(unit->free, block) && (!unit->blocks || !unit->blocks[block]));
	map_set(unit->free, block);
	if (unit->free_count++ == 0)
		LIST_INSERT_HEAD(&buddy->partial_units, unit, partial);
	if (unit->free_count == UNIT_BLOCKS)
		unit_close(buddy, unit, out);
}

static struct broken_block *break_block_locked(struct buddy *buddy, struct spare *spare)
{
	uint64_t first = take_block_locked(buddy, spare);
	struct broken_unit *unit = buddy->units[unit_of(buddy, first)];
	struct broken_block *block = spare->block;

	if (!unit->blocks) {
		unit->blocks = spare->blocks;
		spare->blocks = NULL;
	}
	spare->block = NULL;
	unit->blocks[(first - unit->first) / BLOCK_FRAMES] = block;
	for (unsigned int word = 0; word < MAP_WORDS; word++)
		block->free[word] = UINT64_MAX;
	block->free_count = BLOCK_FRAMES;
	block->first = first;
	LIST_INSERT_HEAD(&buddy->partial_blocks, block, partial);
	return block;
}

static uint64_t take_frame_locked(struct buddy *buddy, struct spare *spare)
{
	struct broken_block *block = LIST_FIRST(&buddy->partial_blocks);
	unsigned int frame;

	if (!block)
		block = break_block_locked(buddy, spare);
	frame = map_lowest(block->free);
	map_clear(block->free, frame);
	if (--block->free_count == 0)
		LIST_REMOVE(block, partial);
	return block->first + frame;
}

static void put_frame_locked(struct buddy *buddy, uint64_t frame, struct spare *out)
{
	struct broken_unit *unit = buddy->units[unit_of(buddy, frame)];
	struct broken_block *block, **slot;

	CHECK(unit && unit->blocks); /* B4, as the checks below */
	slot = &unit->blocks[(frame - unit->first) / BLOCK_FRAMES];
	block = *slot;
	CHECK(block);
	CHECK(!map_test(block->free, frame - block->first));
	map_set(block->free, frame - block->first);
	if (block->free_count++ == 0)
		LIST_INSERT_HEAD(&buddy->partial_blocks, block, partial);
	if (block->free_count < BLOCK_FRAMES)
		return;
	LIST_REMOVE(block, partial);
	*slot = NULL;
	out->block = block;
	put_block_locked(buddy, block->first, out);
}

/* What taking one block at `level` would need, beyond what `spare` holds. */
struct need {
	bool memory; /* no block of this level is free, so metadata would not help */
	bool unit, blocks, block;
};

static bool need_any(const struct need *need)
{
	return need->memory || need->unit || need->blocks || need->block;
}

static struct need need_locked(struct buddy *buddy, unsigned int level, const struct spare *spare)
{
	struct broken_unit *unit = LIST_FIRST(&buddy->partial_units);
	struct need need = {0};

	if (level == TDP_4K && !LIST_EMPTY(&buddy->partial_blocks))
		return need;
	if (level == TDP_1G || !unit)
		need.memory = !has_free_unit_locked(buddy);
	need.unit = level < TDP_1G && !unit && !spare->unit;
	need.blocks = level == TDP_4K && !(unit && unit->blocks) && !spare->blocks;
	need.block = level == TDP_4K && !spare->block;
	return need;
}

/* Returns false if an allocation failed; what it allocated before stays in `spare`. */
static bool spare_fill(struct tdp_host *host, const struct need *need, struct spare *spare)
{
	if (need->unit)
		spare->unit = host_allocate(host, sizeof(*spare->unit));
	if (need->blocks)
		spare->blocks = host_allocate(host, BLOCKS_BYTES);
	if (need->block)
		spare->block = host_allocate(host, sizeof(*spare->block));
	return (!need->unit || spare->unit) && (!need->blocks || spare->blocks) &&
	       (!need->block || spare->block);
}

static uint64_t take_one_locked(struct buddy *buddy, unsigned int level, struct spare *spare)
{
	buddy->free_frames -= tdp_level_pages(level);
	if (level == TDP_4K)
		return take_frame_locked(buddy, spare);
	return level == TDP_2M ? take_block_locked(buddy, spare) : take_unit_locked(buddy);
}

/* Takes blocks while `spare` has the records for it; *need is what the next block needs. */
static unsigned int take_some(struct buddy *buddy, unsigned int level, tdp_pfn_t *pfns,
			      unsigned int want, struct spare *spare, struct need *need)
{
	unsigned int count = 0;

	spinlock_lock(&buddy->lock);
	while (count < want) {
		*need = need_locked(buddy, level, spare);
		if (need_any(need))
			break;
		pfns[count++] = tdp_pfn(take_one_locked(buddy, level, spare));
	}
	spinlock_unlock(&buddy->lock);
	return count;
}

unsigned int buddy_take(struct buddy *buddy, unsigned int level, tdp_pfn_t *pfns, unsigned int want)
{
	struct spare spare = {0};
	struct need need = {0};
	unsigned int count;

	/* Other threads may take free blocks meanwhile, so each round looks again. */
	for (;;) {
		count = take_some(buddy, level, pfns, want, &spare, &need);
		if (count || need.memory || !spare_fill(buddy->host, &need, &spare))
			break;
	}
	spare_release(buddy->host, &spare);
	return count;
}

static void put_one(struct buddy *buddy, unsigned int level, uint64_t frame)
{
	struct spare out = {0};

	CHECK(frame >= buddy->first && frame + tdp_level_pages(level) <= buddy->end);
	CHECK(frame % tdp_level_pages(level) == 0);
	spinlock_lock(&buddy->lock);
	if (level == TDP_4K)
		put_frame_locked(buddy, frame, &out);
	else if (level == TDP_2M)
		put_block_locked(buddy, frame, &out);
	else
		put_unit_locked(buddy, frame);
	buddy->free_frames += tdp_level_pages(level);
	spinlock_unlock(&buddy->lock);
	spare_release(buddy->host, &out);
}

void buddy_put(struct buddy *buddy, unsigned int level, const tdp_pfn_t *pfns, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		put_one(buddy, level, pfns[i].n);
}

uint64_t buddy_free_frames(struct buddy *buddy)
{
	uint64_t frames;

	spinlock_lock(&buddy->lock);
	frames = buddy->free_frames;
	spinlock_unlock(&buddy->lock);
	return frames;
}

static bool is_out_locked(const struct buddy *buddy, uint64_t frame)
{
	uint64_t index = unit_of(buddy, frame);
	const struct broken_unit *unit = buddy->units[index];
	const struct broken_block *block;
	uint64_t place;

	if (!unit)
		return !map_test(buddy->free_units, index);
	place = (frame - unit->first) / BLOCK_FRAMES;
	block = unit->blocks ? unit->blocks[place] : NULL;
	return block ? !map_test(block->free, frame - block->first) : !map_test(unit->free, place);
}

bool buddy_is_out(struct buddy *buddy, tdp_pfn_t pfn)
{
	bool out;

	spinlock_lock(&buddy->lock);
	out = is_out_locked(buddy, pfn.n);
	spinlock_unlock(&buddy->lock);
	return out;
}

/* Frames of unit `index` that lie in the buddy's range. */
static void unit_range(const struct buddy *buddy, uint64_t index, uint64_t *from, uint64_t *to)
{
	*from = unit_base(buddy) + index * UNIT_FRAMES;
	*to = *from + UNIT_FRAMES;
	if (*from < buddy->first)
		*from = buddy->first;
	if (*to > buddy->end)
		*to = buddy->end;
}

/* A unit that lies in the range only in part is broken from the start, and stays so. */
static int init_unit(struct buddy *buddy, uint64_t index)
{
	struct broken_unit *unit;
	uint64_t from, to;

	unit_range(buddy, index, &from, &to);
	if (to - from == UNIT_FRAMES) {
		map_set(buddy->free_units, index);
		return 0;
	}
	unit = host_allocate(buddy->host, sizeof(*unit));
	if (!unit)
		return -ENOMEM;
	unit_open(buddy, unit, unit_base(buddy) + index * UNIT_FRAMES, from, to);
	return 0;
}

int buddy_init(struct buddy *buddy, struct tdp_host *host, uint64_t first, uint64_t end)
{
	uint64_t units;
	int err = 0;

	*buddy = (struct buddy){.host = host, .first = first, .end = end};
	spinlock_init(&buddy->lock);
	LIST_INIT(&buddy->partial_units);
	LIST_INIT(&buddy->partial_blocks);
	if (first == end)
		return 0;
	units = unit_count(buddy);
	buddy->free_units = host_allocate(host, unit_words(buddy) * sizeof(uint64_t));
	buddy->units = host_allocate(host, units * sizeof(struct broken_unit *));
	if (!buddy->free_units || !buddy->units)
		err = -ENOMEM;
	for (uint64_t i = 0; i < units && !err; i++)
		err = init_unit(buddy, i);
	buddy->free_frames = end - first;
	if (err)
		buddy_fini(buddy);
	return err;
}

static void unit_fini(struct tdp_host *host, struct broken_unit *unit)
{
	for (unsigned int i = 0; unit->blocks && i < UNIT_BLOCKS; i++)
		host_release(host, unit->blocks[i], sizeof(*unit->blocks[i]));
	host_release(host, unit->blocks, BLOCKS_BYTES);
	host_release(host, unit, sizeof(*unit));
}

void buddy_fini(struct buddy *buddy)
{
	struct tdp_host *host = buddy->host;

	if (!host || buddy->first == buddy->end)
		return;
	for (uint64_t i = 0; buddy->units && i < unit_count(buddy); i++) {
		if (buddy->units[i])
			unit_fini(host, buddy->units[i]);
	}
	host_release(host, buddy->units, unit_count(buddy) * sizeof(struct broken_unit *));
	host_release(host, buddy->free_units, unit_words(buddy) * sizeof(uint64_t));
	buddy->host = NULL;
}
