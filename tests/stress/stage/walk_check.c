/* Checks a lockless walk. See walk_check.h. */
#include "stress/stage/walk_check.h"

#include <errno.h>

#include "host/frame.h"

static int wrong(struct player *player, const struct tdp_entry *entry, const char *what)
{
	return player_fail(player, "gfn 0x%llx, level %u, entry 0x%llx: %s",
			   (unsigned long long)entry->gfn.n, entry->level,
			   (unsigned long long)entry->value, what);
}

/* Table frames have lower numbers than data frames (host/host.h). */
static int judge_value(struct player *player, const struct tdp_entry *entry)
{
	struct tdp_host *host = player->stress->host;
	bool data = entry->pfn.n >= tdp_host_carveout(host).n;

	if (entry->value == FRAME_POISON)
		return wrong(player, entry, "read from a freed table");
	if (!entry->present)
		return 0;
	if (!tdp_host_frame(host, entry->pfn))
		return wrong(player, entry, "there is no such frame");
	if (entry->leaf != data)
		return wrong(player, entry,
			     data ? "a table in a data frame" : "a leaf over a table frame");
	return 0;
}

static int judge_step(struct player *player, const struct tdp_entry *from,
		      const struct tdp_entry *to, tdp_gfn_t start)
{
	tdp_gfn_t goal = from->gfn;

	if (to->level >= from->level) {
		if (to->gfn.n != from->gfn.n + tdp_level_pages(from->level))
			return wrong(player, to, "not the next entry");
		return 0;
	}
	if (goal.n < start.n)
		goal = start;
	if (to->gfn.n != tdp_gfn_round(goal, to->level).n)
		return wrong(player, to, "not the first entry of a table");
	return 0;
}

int walk_check(struct player *player, unsigned int address_space, tdp_gfn_t start, uint64_t pages,
	       unsigned int min_level)
{
	struct tdp_entry previous = {0}, entry;
	struct tdp_iter *iter;
	int err = tdp_iter_begin(player->stress->vm, address_space, start, pages, min_level, &iter);

	if (err == -ENOENT)
		return 0;
	if (err)
		return player_fail(player, "no iterator: %d", err);
	while (!err && tdp_iter_next(iter, &entry)) {
		err = judge_value(player, &entry);
		if (!err && previous.level)
			err = judge_step(player, &previous, &entry, start);
		previous = entry;
	}
	tdp_iter_end(iter);
	if (!err &&
	    previous.gfn.n + tdp_level_pages(previous.level ? previous.level : 1) < start.n + pages)
		return wrong(player, &previous, "the walk ended here");
	return err;
}
