/*
 * Playing a stretch of a trace in which several vCPUs run at once: its faults and
 * host calls one after the other, in an order that the trace allows (group.c), and
 * the ends of accesses in between (running.c).
 *
 * A fault that mapped nothing, or ended in RETRY, is left out: it found its work done,
 * or lost a race that it would not lose if it were run at one moment.
 *
 * Compared: for each entry (address space, gfn, level) its transitions in order and
 * its repairs by the fast path; the dirty marks of each gfn. What one race decides
 * is not: the order between entries, who faulted, how often, and with what result.
 */
#include "parallel.h"

#include <errno.h>
#include <stdlib.h>

static bool same_key(const struct event *theirs, const struct event *ours)
{
	if (theirs->kind != ours->kind)
		return false;
	switch (ours->kind) {
	case EVENT_SPTE_CHANGED:
		return same_entry(theirs, ours);
	case EVENT_FAST_PAGE_FAULT:
		return theirs->u.fast.fixed && theirs->u.fast.gva >> 12 == ours->u.fast.gva >> 12;
	case EVENT_MARK_DIRTY:
		return theirs->u.dirty.gfn == ours->u.dirty.gfn;
	default:
		return false;
	}
}

static bool is_compared(const struct event *event)
{
	return event->kind == EVENT_SPTE_CHANGED || event->kind == EVENT_MARK_DIRTY ||
	       (event->kind == EVENT_FAST_PAGE_FAULT && event->u.fast.fixed);
}

/* Where ours fits nowhere, the line that it should have met: of the same fault, not yet met. */
static unsigned int line_of_no_match(const struct parallel *parallel)
{
	const struct group *group = parallel->playing;

	for (size_t i = group ? group->first : 0; group && i <= group->last; i++) {
		const struct event *event = event_at(parallel, i);

		if (event->task == group->task && is_compared(event) &&
		    !parallel->met[i - parallel->first])
			return event->line;
	}
	return event_at(parallel, parallel->at)->line;
}

/* The first event of ours's key that none of ours has met, or the stretch's end. */
static size_t find_match(const struct parallel *parallel, const struct event *ours)
{
	size_t found = parallel->end;

	for (size_t i = parallel->first; i < parallel->end; i++) {
		if (parallel->met[i - parallel->first] || !same_key(event_at(parallel, i), ours))
			continue;
		if (found == parallel->end ||
		    parallel->rank[i - parallel->first] < parallel->rank[found - parallel->first])
			found = i;
	}
	return found;
}

void parallel_event(struct replay *replay, const struct event *ours)
{
	struct parallel *parallel = replay->parallel;
	size_t match;

	if (!is_compared(ours))
		return;
	match = find_match(parallel, ours);
	if (match == parallel->end) {
		replay_lose(replay, line_of_no_match(parallel),
			    "the simulator has %.*s, the trace no such change any more",
			    (int)ours->length, ours->text);
		return;
	}
	parallel->met[match - parallel->first] = true;
	compare_events(&replay->comparison, event_at(parallel, match), ours);
}

static void check_all_met(struct parallel *parallel, size_t end)
{
	for (size_t i = parallel->first; i < end; i++) {
		const struct event *event = event_at(parallel, i);

		if (is_compared(event) && !parallel->met[i - parallel->first])
			compare_note(&parallel->replay->comparison, event->line,
				     "the trace has \"%.*s\", the simulator nothing",
				     (int)event->length, event->text);
	}
}

static void play_fault(struct parallel *parallel, const struct group *group)
{
	struct replay *replay = parallel->replay;
	const struct event *event = event_at(parallel, group->first);
	struct tdp_fault fault = {.gpa = event->u.page_fault.address,
				  .error_code = event->u.page_fault.error_code,
				  .rip = event->u.page_fault.rip};
	unsigned int vcpu = event->u.page_fault.vcpu;
	enum tdp_fault_result result;
	int err;

	if (event->kind == EVENT_MISCONFIG || vcpu >= replay->cpu_count) {
		replay_stop(replay, event->line, "misconfigurations of several vCPUs at once");
		return;
	}
	if (parallel->running[vcpu].faults_left)
		parallel->running[vcpu].faults_left--;
	if (!group->changed)
		return;
	script_prepare(replay, group->first, guest_fault_end(replay->trace, group->first),
		       group->task);
	if (guest_cannot_answer(replay, event->line, 0, fault.gpa))
		return;
	err = tdp_vcpu_fault(replay->cpus[vcpu].vcpu, &fault, &result);
	script_forget(replay);
	if (err && err != -EFAULT)
		replay_fail(replay, err, "the fault handler failed");
}

static void play_host(struct parallel *parallel, const struct group *group)
{
	const struct event *event = event_at(parallel, group->first);

	if (event->kind == EVENT_UNMAP)
		host_unmap(parallel->replay, event);
	else
		host_set_region(parallel->replay, event);
}

static void play_group(struct parallel *parallel, const struct group *group)
{
	parallel->playing = group;
	if (group->kind == GROUP_HOST || group->changed)
		running_before_group(parallel, group);
	if (group->kind == GROUP_FAULT)
		play_fault(parallel, group);
	else
		play_host(parallel, group);
	parallel->playing = NULL;
}

static const char *feature_at(const struct parallel *parallel, const struct event *event)
{
	switch (event->kind) {
	case EVENT_FEATURE:
		return event->u.feature.name;
	case EVENT_RING:
		return "the dirty ring";
	case EVENT_AGE:
		return script_hits_slot(&parallel->replay->script, event->u.range.start,
					event->u.range.end)
			       ? "ageing"
			       : NULL;
	default:
		return NULL;
	}
}

/* A call that is to stop the replay stops it where it is made, not where it works. */
static bool stops_at(struct parallel *parallel, const struct event *event)
{
	const char *feature = feature_at(parallel, event);

	if (feature)
		replay_stop(parallel->replay, event->line, feature);
	else if (event->kind == EVENT_REGION)
		host_region_needs_feature(parallel->replay, event);
	return parallel->replay->over;
}

static void play_event(struct parallel *parallel, size_t i)
{
	const struct event *event = event_at(parallel, i);

	parallel->at = i;
	if (stops_at(parallel, event))
		return;
	if (event_is_marker(event))
		running_end_interval(parallel, event);
	if (event->kind == EVENT_ACCESS)
		running_begin(parallel, i);
	while (parallel->next < parallel->group_count && !parallel->replay->over) {
		const struct group *group = parallel->order[parallel->next];

		if (parallel->rank[group->place - parallel->first] > rank_of(parallel, i))
			break;
		parallel->next++;
		play_group(parallel, group);
	}
}

static void play(struct parallel *parallel)
{
	struct replay *replay = parallel->replay;
	size_t i;

	for (i = parallel->first; i < parallel->end && !replay->over; i++)
		play_event(parallel, i);
	running_end_all(parallel);
	if (!replay->over)
		check_all_met(parallel, parallel->end);
	else if (replay->ending == ENDING_STOPPED)
		check_all_met(parallel, i - 1);
}

static size_t end_of_stretch(const struct trace *trace, size_t first)
{
	while (first < trace->count && trace->events[first].kind != EVENT_PHASE &&
	       trace->events[first].kind != EVENT_END)
		first++;
	return first;
}

void parallel_run(struct replay *replay)
{
	struct parallel parallel = {.replay = replay, .first = replay->cursor + 1};

	parallel.end = end_of_stretch(replay->trace, parallel.first);
	if (group_events(&parallel)) {
		replay_fail(replay, -ENOMEM, "no memory for a parallel stretch");
	} else {
		replay->parallel = &parallel;
		play(&parallel);
		replay->parallel = NULL;
		replay->cursor = parallel.end;
	}
	free(parallel.groups);
	free(parallel.order);
	free(parallel.rank);
	free(parallel.met);
}
