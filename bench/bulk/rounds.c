#include "bulk/rounds.h"

#include <inttypes.h>

#include "bulk/pass.h"

/* Whether the passes did what they are meant to do */

static void verify_leaves(struct run *run, const char *after, uint64_t small)
{
	struct tdp_stats stats;

	tdp_vm_stats(run->guest->vm, &stats);
	if (stats.pages_4k != (int64_t)small)
		measurement_fail(run->measurement,
				 "%" PRId64 " pages of 4K are mapped after %s, instead of %" PRIu64,
				 stats.pages_4k, after, small);
}

static void verify_fast_faults(struct run *run, const struct tdp_stats *before)
{
	struct tdp_stats after;
	uint64_t fast;

	tdp_vm_stats(run->guest->vm, &after);
	fast = after.pf_fast - before->pf_fast;
	if (fast != run->entries)
		measurement_fail(run->measurement,
				 "fast page faults made %" PRIu64
				 " pages writable, instead of %" PRIu64,
				 fast, run->entries);
}

/* run->log holds the log of the last slot, because all slots share the array. */
static void verify_log(struct run *run)
{
	const struct guest_options *options = &run->guest->options;
	struct tdp_memslot slot = guest_slot(run->guest, options->slots - 1);
	uint64_t marked = 0;

	if (run->entries << TDP_PAGE_SHIFT != options->guest_memory)
		return; /* no vCPU writes some of the pages */
	for (size_t i = 0; i < tdp_dirty_log_words(slot.pages); i++)
		marked += (uint64_t)__builtin_popcountll(run->log[i]);
	if (marked != slot.pages)
		measurement_fail(run->measurement,
				 "the log has %" PRIu64 " pages, but %" PRIu64 " were written",
				 marked, slot.pages);
}

/* The first round is not timed, because the tables that it makes are new. */
static int split_and_recover(struct run *run, bool timed)
{
	int err = pass_populate(run); /* a recovery may have zapped all pages */

	if (!err)
		err = pass_begin_logging(run, KINDS);
	if (!err)
		err = pass_clear_regions(run, timed ? SPLIT : KINDS);
	if (err)
		return err;
	verify_leaves(run, "a split", run->entries);
	err = pass_clear_all(run, timed ? CLEAR : KINDS);
	if (!err)
		err = pass_end_logging(run, timed ? RECOVER : KINDS);
	if (!err)
		verify_leaves(run, "a recovery", 0);
	return err;
}

/* Where D flags track writes, logging does not remove the right to write. */
static int dirty_again(struct run *run)
{
	struct tdp_stats before;
	int err;

	if (run->guest->options.policy.dirty_track == TDP_DIRTY_TRACK_DBIT)
		return pass_write(run);
	tdp_vm_stats(run->guest->vm, &before);
	err = pass_fast_faults(run);
	if (!err && !run_stopped(run))
		verify_fast_faults(run, &before);
	return err;
}

static int protect_and_age(struct run *run)
{
	int err = pass_begin_logging(run, PROTECT);

	if (!err)
		err = dirty_again(run);
	if (err || run_stopped(run))
		return err;
	err = pass_get(run, GET);
	if (err)
		return err;
	verify_log(run);
	err = pass_write(run);
	if (err || run_stopped(run))
		return err;
	err = pass_age(run, AGE);
	return err ? err : pass_end_logging(run, KINDS);
}

int rounds_of_huge(struct run *run)
{
	int err = 0;

	for (unsigned int i = 0; !err && i <= run->options->passes && !run_stopped(run); i++)
		err = split_and_recover(run, i > 0);
	measurement_check(run->measurement, run->guest);
	return err;
}

int rounds_of_small(struct run *run)
{
	int err = pass_populate(run);

	for (unsigned int i = 0; !err && i < run->options->passes && !run_stopped(run); i++)
		err = protect_and_age(run);
	measurement_take(run->measurement, run->guest);
	return err;
}
