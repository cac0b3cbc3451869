/* Visiting a terrain: an access, and what it must have seen. See terrain.h. */
#include "support/terrain.h"

/* What was seen in one access. */
struct sight {
	uint64_t words[TERRAIN_WORDS];
	uint64_t dead, born; /* before it, after it */
};

/* S1 */
static int judge_stamp(struct player *player, const struct terrain_page *page,
		       const struct sight *sight, tdp_gfn_t gfn)
{
	uint64_t stamp = sight->words[0];
	uint64_t epoch = stamp & 0xffffffff;

	if (stamp >> 48 == TERRAIN_MAGIC && (stamp >> 32 & 0xffff) == page->id &&
	    epoch > sight->dead && epoch <= sight->born)
		return 0;
	return player_fail(player, "gfn 0x%llx, page %llu, epochs %llu to %llu: saw 0x%llx (%s)",
			   (unsigned long long)gfn.n, (unsigned long long)page->id,
			   (unsigned long long)sight->dead + 1, (unsigned long long)sight->born,
			   (unsigned long long)stamp,
			   stamp == TERRAIN_POISON		? "a dead frame"
			   : stamp >> 48 != TERRAIN_MAGIC	? "no stamp"
			   : (stamp >> 32 & 0xffff) != page->id ? "another page"
								: "a dead epoch");
}

static int look(struct player *player, const struct terrain_page *page, tdp_gfn_t gfn,
		struct sight *sight, enum tdp_outcome *outcome)
{
	size_t bytes = (2 + tdp_vcpu_id(player->vcpu)) * sizeof(sight->words[0]);
	struct tdp_access_result result;
	int err;

	sight->dead = u64_load_acquire(&page->dead);
	err = player_access(player, gfn.n << TDP_PAGE_SHIFT, TDP_READ, sight->words, bytes,
			    &result);
	sight->born = u64_load_acquire(&page->born);
	*outcome = result.outcome;
	if (err || result.outcome != TDP_ACCESS_DONE)
		return err;
	return judge_stamp(player, page, sight, gfn);
}

/* S2 */
static int judge_word(struct player *player, struct terrain_memory *memory,
		      const struct sight *sight, tdp_gfn_t gfn)
{
	uint64_t epoch = sight->words[0] & 0xffffffff;
	uint64_t expected = memory->epoch == epoch ? memory->value : 0;
	uint64_t word = sight->words[1 + tdp_vcpu_id(player->vcpu)];

	if (word == expected || (memory->unsure && (word == 0 || word == memory->value))) {
		*memory = (struct terrain_memory){.epoch = epoch, .value = word};
		return 0;
	}
	return player_fail(player, "gfn 0x%llx, epoch %llu: read 0x%llx, had written 0x%llx",
			   (unsigned long long)gfn.n, (unsigned long long)epoch,
			   (unsigned long long)word, (unsigned long long)expected);
}

/*
 * A write lands in whichever epoch lives then. In which one only the next look
 * can tell: what was written is there, or nothing.
 */
static int write_and_look(struct player *player, const struct terrain_page *page,
			  struct terrain_memory *memory, tdp_gfn_t gfn, uint64_t stamp_before,
			  enum tdp_outcome *outcome)
{
	uint64_t value = player_random(player) | 1;
	uint64_t at = (gfn.n << TDP_PAGE_SHIFT) + (1 + tdp_vcpu_id(player->vcpu)) * sizeof(value);
	struct tdp_access_result result;
	struct sight after;
	int err = player_access(player, at, TDP_WRITE, &value, sizeof(value), &result);

	*outcome = result.outcome;
	if (err || result.outcome != TDP_ACCESS_DONE)
		return err;
	*memory = (struct terrain_memory){stamp_before & 0xffffffff, value, true};
	err = look(player, page, gfn, &after, outcome);
	if (err || *outcome != TDP_ACCESS_DONE)
		return err;
	if (after.words[0] == stamp_before) /* the same epoch all the while */
		memory->unsure = false;
	return judge_word(player, memory, &after, gfn);
}

int terrain_visit(struct player *player, struct terrain *terrain, struct terrain_memory *memories,
		  tdp_gfn_t gfn, unsigned int page, bool write, enum tdp_outcome *outcome)
{
	struct terrain_page *tracked_page =
		&terrain->regions[page / TERRAIN_TRACKED].pages[page % TERRAIN_TRACKED];
	struct sight before;
	int err = look(player, tracked_page, gfn, &before, outcome);

	if (err || *outcome != TDP_ACCESS_DONE)
		return err;
	err = judge_word(player, &memories[page], &before, gfn);
	if (err || !write)
		return err;
	return write_and_look(player, tracked_page, &memories[page], gfn, before.words[0], outcome);
}
