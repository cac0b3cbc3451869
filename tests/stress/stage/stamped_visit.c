/* An access to stamped memory, and what it must see. See stamped.h. */
#include "stress/stage/stamped.h"

/* What one access saw. */
struct sight {
	uint64_t words[STAMPED_WORDS];
	uint64_t dead, born; /* loaded before the access, after it */
};

/* S1 */
static int judge_stamp(struct player *player, const struct stamped_page *page,
		       const struct sight *sight, tdp_gfn_t gfn)
{
	uint64_t stamp = sight->words[0];
	uint64_t epoch = stamp & 0xffffffff;

	if (stamp >> 48 == STAMPED_MAGIC && (stamp >> 32 & 0xffff) == page->id &&
	    epoch > sight->dead && epoch <= sight->born)
		return 0;
	return player_fail(player, "gfn 0x%llx, page %llu, epochs %llu to %llu: saw 0x%llx (%s)",
			   (unsigned long long)gfn.n, (unsigned long long)page->id,
			   (unsigned long long)sight->dead + 1, (unsigned long long)sight->born,
			   (unsigned long long)stamp,
			   stamp == STAMPED_POISON		? "a frame after its epoch"
			   : stamp >> 48 != STAMPED_MAGIC	? "no stamp"
			   : (stamp >> 32 & 0xffff) != page->id ? "another page"
								: "an epoch that is over");
}

static int look(struct player *player, const struct stamped_page *page, tdp_gfn_t gfn,
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
static int judge_word(struct player *player, struct stamped_record *record,
		      const struct sight *sight, tdp_gfn_t gfn)
{
	uint64_t epoch = sight->words[0] & 0xffffffff;
	uint64_t expected = record->epoch == epoch ? record->value : 0;
	uint64_t word = sight->words[1 + tdp_vcpu_id(player->vcpu)];

	if (word == expected || (record->unsure && (word == 0 || word == record->value))) {
		*record = (struct stamped_record){.epoch = epoch, .value = word};
		return 0;
	}
	return player_fail(player, "gfn 0x%llx, epoch %llu: read 0x%llx, had written 0x%llx",
			   (unsigned long long)gfn.n, (unsigned long long)epoch,
			   (unsigned long long)word, (unsigned long long)expected);
}

/*
 * A write lands in the epoch that is current then. Only the next read shows in which: it
 * sees the value, or 0.
 */
static int write_and_look(struct player *player, const struct stamped_page *page,
			  struct stamped_record *record, tdp_gfn_t gfn, uint64_t stamp_before,
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
	*record = (struct stamped_record){stamp_before & 0xffffffff, value, true};
	err = look(player, page, gfn, &after, outcome);
	if (err || *outcome != TDP_ACCESS_DONE)
		return err;
	if (after.words[0] == stamp_before) /* the epoch did not change in between */
		record->unsure = false;
	return judge_word(player, record, &after, gfn);
}

int stamped_visit(struct player *player, struct stamped *memory, struct stamped_record *records,
		  tdp_gfn_t gfn, unsigned int page, bool write, enum tdp_outcome *outcome)
{
	struct stamped_page *stamped_page =
		&memory->regions[page / STAMPED_PAGES].pages[page % STAMPED_PAGES];
	struct sight before;
	int err = look(player, stamped_page, gfn, &before, outcome);

	if (err || *outcome != TDP_ACCESS_DONE)
		return err;
	err = judge_word(player, &records[page], &before, gfn);
	if (err || !write)
		return err;
	return write_and_look(player, stamped_page, &records[page], gfn, before.words[0], outcome);
}
