#include "act.h"

#include <tdpsim/nx.h>

/* KVM rounds outwards to pages (hva_to_gfn_memslot() of the ends, virt/kvm/kvm_main.c). */
static uint64_t range_start(const struct event *event)
{
	return event->u.range.start & ~(TDP_PAGE_SIZE - 1);
}

static uint64_t range_end(const struct event *event)
{
	return (event->u.range.end + TDP_PAGE_SIZE - 1) & ~(TDP_PAGE_SIZE - 1);
}

void act_unmap(struct replay *replay, const struct event *event)
{
	uint64_t start = range_start(event), end = range_end(event);

	replay_take(replay);
	replay->unmapped_start = start;
	replay->unmapped_end = end;
	replay_begin_walk(replay);
	tdp_host_invalidate_begin(replay->host, start, end);
	replay_end_walk(replay);
	tdp_host_invalidate_end(replay->host, start, end);
}

bool act_recognises(const struct event *event)
{
	return event->kind == EVENT_UNMAP || event->kind == EVENT_AGE ||
	       event->kind == EVENT_TEST_AGE || event->kind == EVENT_NX_RECOVERY;
}

static void recover(struct replay *replay)
{
	replay->recovering = true;
	replay_begin_walk(replay);
	tdp_vm_recover_nx_huge_pages(replay->vm);
	replay_end_walk(replay);
	replay->recovering = false;
}

void act_perform(struct replay *replay, const struct event *event)
{
	if (!replay->vm) {
		replay_lose(replay, event->line, "the trace has no VM at this line");
		return;
	}
	if (event->kind == EVENT_UNMAP) {
		act_unmap(replay, event);
		return;
	}
	replay_take(replay);
	if (event->kind == EVENT_AGE)
		tdp_host_age(replay->host, range_start(event), range_end(event));
	else if (event->kind == EVENT_TEST_AGE)
		tdp_host_test_age(replay->host, event->u.range.start);
	else
		recover(replay);
}
