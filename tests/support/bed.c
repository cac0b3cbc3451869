/* A few pages of scripted memory. See bed.h. */
#include "support/bed.h"

#include <errno.h>
#include <string.h>

#include "platform/bytes.h"
#include "support/mapped.h"

#define POISON	     0xdeadbeefdeadbeefULL
#define MAGIC	     0xbed0000000000000ULL
#define HUGE_FRAMES  512ULL
#define SMALL_FRAMES 8ULL

static const uint64_t small_offsets[BED_PAGES] = {1, 2, 5, 7};
/* Never the first, whose level can so be the largest that a leaf here has had (terrain.c). */
static const uint64_t huge_offsets[BED_PAGES] = {1, 2, 300, 511};

uint64_t bed_offset(const struct bed *bed, unsigned int page)
{
	return bed->config.shape == BED_SMALL ? small_offsets[page] : huge_offsets[page];
}

static uint64_t stamp(const struct bed *bed, unsigned int page)
{
	return MAGIC | bed->backing.hva << 4 | page;
}

/* Do the pages lie in frames of their own? */
static bool is_small(const struct bed *bed)
{
	return bed->config.shape == BED_SMALL ||
	       (bed->config.shape == BED_HUGE_TO_READ && u32_load_acquire(&bed->small));
}

static tdp_pfn_t frame_at(const struct bed *bed, uint32_t block, uint64_t index)
{
	return tdp_pfn(bed->first.n + block * HUGE_FRAMES + index);
}

static tdp_pfn_t frame_of_index(const struct bed *bed, uint64_t index)
{
	unsigned int page = 0;

	if (is_small(bed))
		while (page < BED_PAGES && bed_offset(bed, page) != index)
			page++;
	return frame_at(bed, u32_load_acquire(&bed->block[page % BED_PAGES]), index);
}

static uint64_t index_of(const struct bed *bed, uint64_t hva)
{
	return (hva - bed->backing.hva) >> TDP_PAGE_SHIFT;
}

static int resolve(void *context, void *caller, uint64_t hva, bool write,
		   struct tdp_backing_page *page)
{
	struct bed *bed = context;
	bool reads_only = bed->config.shape == BED_HUGE_TO_READ;

	(void)caller;
	if (write && reads_only)
		u32_store_release(&bed->small, 1);
	*page = (struct tdp_backing_page){
		.pfn = frame_of_index(bed, index_of(bed, hva)),
		.writable = !reads_only || u32_load_acquire(&bed->small),
	};
	return 0;
}

static unsigned int level(void *context, uint64_t hva)
{
	const struct bed *bed = context;
	uint64_t index = index_of(bed, hva);

	switch (bed->config.shape) {
	case BED_HUGE:
		return TDP_2M;
	case BED_HUGE_TO_READ:
		return index && u32_load_acquire(&bed->small) ? TDP_4K : TDP_2M;
	case BED_HALVES:
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

static void store_words(const struct bed *bed, tdp_pfn_t pfn, const uint64_t *words)
{
	bytes_store(tdp_host_frame(bed->stress->host, pfn), words, BED_WORDS * sizeof(*words));
}

static void load_words(const struct bed *bed, tdp_pfn_t pfn, uint64_t *words)
{
	bytes_load(words, tdp_host_frame(bed->stress->host, pfn), BED_WORDS * sizeof(*words));
}

static void poison(const struct bed *bed, tdp_pfn_t pfn)
{
	uint64_t words[BED_WORDS];

	for (unsigned int i = 0; i < BED_WORDS; i++)
		words[i] = POISON;
	store_words(bed, pfn, words);
}

static void sow(struct bed *bed)
{
	for (unsigned int page = 0; page < BED_PAGES; page++) {
		uint64_t words[BED_WORDS] = {stamp(bed, page)};

		u32_init(&bed->block[page], 0);
		store_words(bed, frame_at(bed, 0, bed_offset(bed, page)), words);
		poison(bed, frame_at(bed, 1, bed_offset(bed, page)));
	}
}

static int set_slot(const struct bed *bed, uint64_t gfn, uint64_t pages)
{
	return stress_slot(bed->stress, bed->config.address_space, bed->config.slot, tdp_gfn(gfn),
			   pages, &bed->backing, false);
}

struct bed *bed_create(struct stress *stress, const struct bed_config *config)
{
	struct bed *bed = stress_allocate(stress, sizeof(*bed));

	if (!bed)
		return NULL;
	bed->stress = stress;
	bed->config = *config;
	bed->pages = config->shape == BED_SMALL ? SMALL_FRAMES : HUGE_FRAMES;
	if (config->pages)
		bed->pages = config->pages;
	bed->first = tdp_pfn(tdp_host_carveout(stress->host).n +
			     (stress->carveout_used >> TDP_PAGE_SHIFT));
	bed->backing = (struct tdp_backing){
		.ops = &ops,
		.context = bed,
		.hva = stress->next_hva,
		.bytes = bed->pages << TDP_PAGE_SHIFT,
	};
	stress->carveout_used += 2 * tdp_level_bytes(TDP_2M);
	/* With a hole behind it. */
	stress->next_hva +=
		(bed->backing.bytes / tdp_level_bytes(TDP_2M) + 2) * tdp_level_bytes(TDP_2M);
	u32_init(&bed->small, 0);
	sow(bed);
	if (!config->absent && set_slot(bed, config->gfn, bed->pages))
		return NULL;
	return bed;
}

/* B1 */
static int judge_words(struct player *player, const struct bed *bed, unsigned int page,
		       const uint64_t *words)
{
	unsigned int vcpu = tdp_vcpu_id(player->vcpu);

	if (words[0] != stamp(bed, page))
		return player_fail(player, "page %u: saw 0x%llx (%s)", page,
				   (unsigned long long)words[0],
				   words[0] == POISON		     ? "a dead frame"
				   : (words[0] ^ MAGIC) < 1ULL << 52 ? "another page"
								     : "no stamp");
	if (words[1 + vcpu] != bed->written[vcpu][page])
		return player_fail(player, "page %u: read 0x%llx, had written 0x%llx", page,
				   (unsigned long long)words[1 + vcpu],
				   (unsigned long long)bed->written[vcpu][page]);
	return 0;
}

static int wanted(struct player *player, unsigned int page, enum tdp_outcome is,
		  enum tdp_outcome *outcome)
{
	if (outcome)
		*outcome = is;
	else if (is != TDP_ACCESS_DONE)
		return player_fail(player, "page %u: outcome %d", page, (int)is);
	return 0;
}

int bed_read_at(struct player *player, struct bed *bed, uint64_t gfn, unsigned int page,
		enum tdp_outcome *outcome)
{
	uint64_t words[BED_WORDS], gpa = (gfn + bed_offset(bed, page)) << TDP_PAGE_SHIFT;
	struct tdp_access_result result;
	int err = player_access(player, gpa, TDP_READ, words, sizeof(words), &result);

	if (!err)
		err = wanted(player, page, result.outcome, outcome);
	if (!err && result.outcome == TDP_ACCESS_DONE)
		err = judge_words(player, bed, page, words);
	return err;
}

int bed_write_at(struct player *player, struct bed *bed, uint64_t gfn, unsigned int page,
		 enum tdp_outcome *outcome)
{
	unsigned int vcpu = tdp_vcpu_id(player->vcpu);
	uint64_t value = player_random(player) | 1;
	uint64_t gpa = ((gfn + bed_offset(bed, page)) << TDP_PAGE_SHIFT) + (1 + vcpu) * 8;
	struct tdp_access_result result;
	int err = player_access(player, gpa, TDP_WRITE, &value, sizeof(value), &result);

	if (!err)
		err = wanted(player, page, result.outcome, outcome);
	if (!err && result.outcome == TDP_ACCESS_DONE)
		bed->written[vcpu][page] = value;
	return err;
}

int bed_read(struct player *player, struct bed *bed, unsigned int page)
{
	return bed_read_at(player, bed, bed->config.gfn, page, NULL);
}

int bed_write(struct player *player, struct bed *bed, unsigned int page)
{
	return bed_write_at(player, bed, bed->config.gfn, page, NULL);
}

int bed_fetch(struct player *player, struct bed *bed, unsigned int page)
{
	uint64_t gpa = (bed->config.gfn + bed_offset(bed, page)) << TDP_PAGE_SHIFT;
	struct tdp_access_result result;
	int err = player_access(player, gpa, TDP_FETCH, NULL, 0, &result);

	return err ? err : wanted(player, page, result.outcome, NULL);
}

static void tell(const struct bed *bed, uint64_t first, uint64_t pages,
		 void (*what)(struct tdp_host *host, uint64_t start, uint64_t end))
{
	uint64_t start = bed->backing.hva + (first << TDP_PAGE_SHIFT);

	what(bed->stress->host, start, start + (pages << TDP_PAGE_SHIFT));
}

/* Between begin and end: the data goes to the other block. B3 */
static int change_frame(struct player *player, const struct bed *bed, unsigned int page,
			uint32_t block)
{
	uint64_t words[BED_WORDS], offset = bed_offset(bed, page);
	tdp_pfn_t old = frame_at(bed, block, offset);

	load_words(bed, old, words);
	store_words(bed, frame_at(bed, !block, offset), words);
	poison(bed, old);
	if (!bed->config.witness || !mapped_anywhere(bed->stress->vm, bed->config.address_space,
						     tdp_gfn(bed->config.gfn + offset), old))
		return 0;
	return player_fail(player, "page %u is mapped after it was unmapped everywhere", page);
}

static int move_all(struct player *player, struct bed *bed)
{
	uint32_t block = u32_load_acquire(&bed->block[0]);
	int err = 0;

	tell(bed, 0, bed->pages, tdp_host_invalidate_begin);
	for (unsigned int page = 0; page < BED_PAGES; page++) {
		if (!err)
			err = change_frame(player, bed, page, block);
		u32_store_release(&bed->block[page], !block);
	}
	tell(bed, 0, bed->pages, tdp_host_invalidate_end);
	return err;
}

int bed_move(struct player *player, struct bed *bed, unsigned int page)
{
	uint64_t offset = bed_offset(bed, page);
	uint32_t block;
	int err;

	if (!is_small(bed))
		return move_all(player, bed);
	tell(bed, offset, 1, tdp_host_invalidate_begin);
	block = u32_load_acquire(&bed->block[page]);
	err = change_frame(player, bed, page, block);
	u32_store_release(&bed->block[page], !block);
	tell(bed, offset, 1, tdp_host_invalidate_end);
	return err;
}

static void gather(struct bed *bed)
{
	for (unsigned int page = 0; page < BED_PAGES; page++) {
		uint64_t words[BED_WORDS], offset = bed_offset(bed, page);

		if (!u32_load_relaxed(&bed->block[page])) /* nobody acts */
			continue;
		load_words(bed, frame_at(bed, 1, offset), words);
		store_words(bed, frame_at(bed, 0, offset), words);
		poison(bed, frame_at(bed, 1, offset));
		u32_store_release(&bed->block[page], 0);
	}
}

void bed_unmap(struct bed *bed)
{
	tell(bed, 0, bed->pages, tdp_host_invalidate_begin);
	gather(bed);
	u32_store_release(&bed->small, 0);
	tell(bed, 0, bed->pages, tdp_host_invalidate_end);
}

int bed_set_slot(struct player *player, const struct bed *bed, uint64_t gfn, uint64_t pages)
{
	int err = set_slot(bed, gfn, pages);

	return err ? player_fail(player, "a slot cannot be changed: %d", err) : 0;
}

int bed_log(struct player *player, const struct bed *bed, bool on)
{
	int err = tdp_vm_set_memslot(bed->stress->vm,
				     &(struct tdp_memslot){
					     .address_space = bed->config.address_space,
					     .id = bed->config.slot,
					     .gfn = tdp_gfn(bed->config.gfn),
					     .pages = bed->pages,
					     .backing = &bed->backing,
					     .log_dirty = on,
				     });

	return err ? player_fail(player, "a log cannot be turned %s: %d", on ? "on" : "off", err)
		   : 0;
}

static tdp_pfn_t frame_of(const struct bed *bed, unsigned int page)
{
	return frame_of_index(bed, bed_offset(bed, page));
}

void bed_close(struct bed *bed)
{
	for (unsigned int page = 0; page < BED_PAGES; page++) {
		load_words(bed, frame_of(bed, page), bed->saved[page]);
		poison(bed, frame_of(bed, page));
	}
	bed->closed = true;
}

/* B2, of a frame that nobody uses */
static int check_poison(struct player *player, const struct bed *bed, tdp_pfn_t pfn,
			unsigned int page)
{
	uint64_t words[BED_WORDS];

	load_words(bed, pfn, words);
	for (unsigned int i = 0; i < BED_WORDS; i++)
		if (words[i] != POISON)
			return player_fail(player,
					   "page %u: word %u of its old frame became 0x%llx after "
					   "it had been unmapped",
					   page, i, (unsigned long long)words[i]);
	return 0;
}

int bed_open(struct player *player, struct bed *bed)
{
	int err = 0;

	bed->closed = false;
	for (unsigned int page = 0; page < BED_PAGES && !err; page++) {
		err = check_poison(player, bed, frame_of(bed, page), page);
		store_words(bed, frame_of(bed, page), bed->saved[page]);
	}
	return err;
}

/* B2, of a page */
static int check_page(struct player *player, const struct bed *bed, unsigned int page)
{
	uint64_t words[BED_WORDS];

	load_words(bed, frame_of(bed, page), words);
	if (words[0] != stamp(bed, page))
		return player_fail(player, "page %u holds 0x%llx at the end", page,
				   (unsigned long long)words[0]);
	for (unsigned int i = 0; i < bed->stress->vcpu_count; i++)
		if (words[1 + i] != bed->written[i][page])
			return player_fail(player,
					   "page %u: vCPU %u had written 0x%llx, there is 0x%llx",
					   page, i, (unsigned long long)bed->written[i][page],
					   (unsigned long long)words[1 + i]);
	return 0;
}

int bed_settle(struct player *player, struct bed *bed)
{
	int err = bed->closed ? bed_open(player, bed) : 0;

	for (unsigned int page = 0; page < BED_PAGES && !err; page++) {
		uint32_t block = u32_load_acquire(&bed->block[is_small(bed) ? page : 0]);

		err = check_page(player, bed, page);
		if (!err)
			err = check_poison(player, bed,
					   frame_at(bed, !block, bed_offset(bed, page)), page);
	}
	return err;
}

int bed_prepare(struct player *player)
{
	struct stress *stress = player->stress;
	struct bed *bed = player->arg;

	for (unsigned int i = 0; i < stress->player_count; i++) {
		int err = 0;

		if (stress->players[i].vcpu)
			err = bed_read(&stress->players[i], bed, BED_PAGES - 1);
		if (err)
			return err;
	}
	bed_unmap(bed);
	return 0;
}

int bed_judge(struct player *player)
{
	return bed_settle(player, player->arg);
}
