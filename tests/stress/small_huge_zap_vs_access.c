/*
 * A write unmaps a huge leaf that is in the TLB of another vCPU, then the host moves a
 * page of it before a vCPU has faulted it in again. Nothing maps that page, so the move
 * does not flush: the zap of the leaf must have flushed (entry_zap_atomic() in lib/mmu;
 * policy TDP_HUGE_FAULT_ZAP).
 */
#include <errno.h>

#include "stress/stage/page_set.h"

static int read_far(struct player *player)
{
	return page_set_read(player, player->arg, 3);
}

static int write_near(struct player *player)
{
	return page_set_write(player, player->arg, 0);
}

static int move_far(struct player *player)
{
	return page_set_move(player, player->arg, 3);
}

/* The huge leaf is in the TLB of the reader. */
static int prepare(struct player *player)
{
	int err = page_set_prepare(player);

	return err ? err : read_far(player);
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress,
		&(struct page_set_config){.shape = PAGE_SET_2M_UNTIL_WRITTEN, .gfn = 0x1000});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_far, set);
	stress_cast_vcpu(stress, "writer", write_near, set);
	return stress_cast(stress, "mover", move_far, set, 1);
}

const struct scenario scenario_small_huge_zap_vs_access = {
	.name = "small_huge_zap_vs_access",
	.what = "a huge leaf is zapped under a reader's TLB, then a page moves",
	.vcpus = 2,
	.steps = 400,
	.huge_fault = TDP_HUGE_FAULT_ZAP,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = page_set_verify_round,
};
