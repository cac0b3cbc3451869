/*
 * The log is read over and over while vCPUs write a few pages of 4K: each read takes
 * rights to write away, each write gets one back by a fast fault, without mmu_lock. A
 * mark that is made before the right is given could be taken in between by a reader who
 * finds nothing to take away (D2 of mmu/dirty.h): the next write would be lost (W1 of
 * logbook.h).
 *
 * In half of the stages nobody listens, and fast faults go their short way
 * (mmu/unprotect.h).
 */
#include <errno.h>

#include "support/logbook.h"

static int collect(struct player *player)
{
	struct logbook *book = player->arg;
	int err = logbook_turn(player, book, true);

	while (!err && player_goes_on(player))
		err = logbook_collect(player, book);
	return err ? err : logbook_collect(player, book);
}

static void configure(struct tdp_vm_config *config, struct tdp_policy *policy, uint64_t random)
{
	config->manual_protect = random & 1 ? TDP_MANUAL_PROTECT_ON : TDP_MANUAL_PROTECT_OFF;
	policy->dirty_track = TDP_DIRTY_TRACK_WRPROT;
	config->check = random & 64;
}

static int set_up(struct stress *stress)
{
	struct logbook *book =
		logbook_create(stress, &(struct logbook_config){0, tdp_gfn(0x1000), 1, TDP_4K},
			       stress->config.manual_protect);

	if (!book)
		return -ENOMEM;
	stress_cast_vcpus(stress, logbook_writer, book);
	return stress_cast(stress, "collector", collect, book, 1); /* checked at the end */
}

const struct scenario scenario_fast_vs_log = {
	.name = "fast_vs_log",
	.what = "fast faults against a log that is read all the time",
	.vcpus = 2,
	.configure = configure,
	.set_up = set_up,
};
