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

#define NPT_PRESENT	 ((uint64_t)1 << 0)
#define EPT_ENTRY_RIGHTS ((uint64_t)7 << 3)

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
static size_t find_match(const struct parallel *parallel, const struct event *ours, bool excused)
{
	size_t found = parallel->end;

	for (size_t i = parallel->first; i < parallel->end; i++) {
		if (parallel->met[i - parallel->first] ||
		    parallel->excused[i - parallel->first] != excused ||
		    !same_key(event_at(parallel, i), ours))
			continue;
		if (found == parallel->end ||
		    parallel->rank[i - parallel->first] < parallel->rank[found - parallel->first])
			found = i;
	}
	return found;
}

/*
 * Two faults of one page, one under mmu_lock and one without: either may give W back, and
 * in a replay it can be the other. So a repair is also what a change is that gives W and
 * no more, and the other way round; who comes too late marks nothing.
 */
static bool meet_repair(struct parallel *parallel, const struct event *ours)
{
	struct entry_step step, other;

	if (!chain_step(parallel, ours, &step) || step.new_spte != (step.old_spte | ENTRY_WRITE))
		return false;
	for (size_t i = parallel->first; i < parallel->end; i++) {
		const struct event *theirs = event_at(parallel, i);
		size_t owner = parallel->owner[i - parallel->first];

		if (parallel->met[i - parallel->first] || theirs->kind == ours->kind ||
		    !chain_step(parallel, theirs, &other) || !chain_same(&step, &other) ||
		    other.new_spte != (other.old_spte | ENTRY_WRITE))
			continue;
		parallel->met[i - parallel->first] = true;
		compare_repair(&parallel->replay->comparison, theirs, other.old_spte,
			       step.old_spte);
		if (owner)
			calls_excuse(parallel, &parallel->groups[owner - 1]);
		return true;
	}
	return false;
}

static void between_steps(struct parallel *parallel);

/* Of a call made beside vCPUs: whether it failed. What it found depends on the race. */
static void meet_result(struct parallel *parallel, const struct event *ours)
{
	const struct group *call = parallel->playing;
	struct event theirs, found = *ours;

	if (!call || event_at(parallel, call->last)->kind != ours->kind)
		return;
	theirs = *event_at(parallel, call->last);
	if (ours->kind == EVENT_LOG_RESULT)
		theirs.u.log_result.has_pages = found.u.log_result.has_pages = false;
	compare_events(&parallel->replay->comparison, &theirs, &found);
}

void parallel_event(struct replay *replay, const struct event *ours)
{
	struct parallel *parallel = replay->parallel;
	struct event theirs;
	size_t match;

	if (ours->kind == EVENT_REGION_RESULT || ours->kind == EVENT_LOG_RESULT)
		meet_result(parallel, ours);
	if (!is_compared(ours))
		return;
	match = find_match(parallel, ours, false);
	if (match == parallel->end &&
	    (ours->kind != EVENT_SPTE_CHANGED || chain_rewrites(parallel, ours)))
		match = find_match(parallel, ours, true);
	if (match == parallel->end && ours->kind == EVENT_MARK_DIRTY && parallel->playing &&
	    parallel->playing->free_marks)
		return;
	if (match == parallel->end &&
	    (meet_repair(parallel, ours) || chain_rewrites(parallel, ours)))
		return;
	if (match == parallel->end) {
		replay_lose(replay, line_of_no_match(parallel),
			    "the simulator has %s (%.*s), the trace no such change any more",
			    event_name(ours->kind), (int)ours->length,
			    ours->length ? ours->text : "");
		return;
	}
	parallel->met[match - parallel->first] = true;
	theirs = *event_at(parallel, match);
	if (theirs.kind == EVENT_FAST_PAGE_FAULT) {
		theirs.u.fast.vcpu = ours->u.fast.vcpu; /* of two that raced */
		if (chain_passes(parallel, event_at(parallel, match)))
			theirs.u.fast.new_spte = chain_repaired(parallel, &theirs);
	}
	compare_events(&replay->comparison, &theirs, ours);
	if (parallel->steps && ours->kind == EVENT_SPTE_CHANGED)
		between_steps(parallel);
}

static void check_all_met(struct parallel *parallel, size_t end)
{
	for (size_t i = parallel->first; i < end; i++) {
		const struct event *event = event_at(parallel, i);

		if (is_compared(event) && !parallel->met[i - parallel->first] &&
		    !parallel->excused[i - parallel->first])
			compare_note(&parallel->replay->comparison, event->line,
				     "the trace has \"%.*s\", the simulator nothing",
				     (int)event->length, event->text);
	}
}

/*
 * A fault that took mmu_lock had been given up by the fast path, for what the entry was
 * then. By now others may have made of it what the fast path would take for its own: so
 * the fault is handed over as one of an entry that is not there.
 */
static uint64_t error_code_of(const struct parallel *parallel, const struct group *group,
			      uint64_t error_code)
{
	bool ept = parallel->replay->settings.value[SETTING_FORMAT];

	return group->slow ? error_code & ~(ept ? EPT_ENTRY_RIGHTS : NPT_PRESENT) : error_code;
}

static void play_fault(struct parallel *parallel, const struct group *group)
{
	struct replay *replay = parallel->replay;
	const struct event *event = event_at(parallel, group->first);
	struct tdp_fault fault = {
		.gpa = event->u.page_fault.address,
		.error_code = error_code_of(parallel, group, event->u.page_fault.error_code),
		.rip = event->u.page_fault.rip};
	unsigned int vcpu = event->u.page_fault.vcpu;
	enum tdp_fault_result result;
	int err;

	if (event->kind == EVENT_MISCONFIG || vcpu >= replay->cpu_count) {
		replay_stop(replay, event->line, "misconfigurations of several vCPUs at once");
		return;
	}
	/* Of the access that runs, or of one to come. */
	if (parallel->running[vcpu].faults_left && parallel->running[vcpu].began < group->first)
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

/* Does the call change the slot's flags alone? Then it excludes no faults. */
static bool keeps_slot(const struct replay *replay, const struct event *call)
{
	const struct scripted_slot *slot;

	if (call->u.region.as_id >= SCRIPT_SPACES || call->u.region.slot >= SCRIPT_SLOTS)
		return false;
	slot = &replay->script.slots[call->u.region.as_id][call->u.region.slot];
	return slot->used && slot->gpa == call->u.region.gpa &&
	       slot->bytes == call->u.region.bytes && slot->hva == call->u.region.hva;
}

static void play_host(struct parallel *parallel, const struct group *group)
{
	const struct event *event = event_at(parallel, group->first);

	switch (event->kind) {
	case EVENT_UNMAP:
		host_unmap(parallel->replay, event);
		break;
	case EVENT_GET_LOG:
		log_read(parallel->replay, event);
		break;
	case EVENT_CLEAR_LOG:
		log_clear(parallel->replay, event);
		break;
	default:
		parallel->steps = keeps_slot(parallel->replay, event);
		host_set_region(parallel->replay, event);
		parallel->steps = false;
	}
}

static void play_group(struct parallel *parallel, struct group *group)
{
	struct group *playing = parallel->playing;

	parallel->playing = group;
	group->played = true;
	if (group->kind == GROUP_HOST || (group->kind == GROUP_FAULT && group->changed))
		running_before_group(parallel, group);
	if (group->kind == GROUP_FAULT)
		play_fault(parallel, group);
	else if (group->kind == GROUP_HOST)
		play_host(parallel, group);
	parallel->playing = playing;
}

/* A call that is to stop the replay stops it where it is made, not where it works. */
static bool stops_at(struct parallel *parallel, const struct event *event)
{
	if (event->kind == EVENT_FEATURE)
		replay_stop(parallel->replay, event->line, event->u.feature.name);
	else if (event->kind == EVENT_REGION)
		host_region_needs_feature(parallel->replay, event);
	return parallel->replay->over;
}

static void open_event(struct parallel *parallel, size_t i)
{
	const struct event *event = event_at(parallel, i);

	parallel->at = i;
	if (stops_at(parallel, event))
		return;
	if (event_is_marker(event))
		running_end_interval(parallel, event);
	if (event->kind == EVENT_ACCESS)
		running_begin(parallel, i);
}

static bool is_due(const struct parallel *parallel)
{
	return parallel->next < parallel->group_count &&
	       parallel->order[parallel->next]->rank <= rank_of(parallel, parallel->at);
}

/* Is the next to be played what the call's own task did behind what it has done so far? */
static bool waits_for(const struct parallel *parallel, const struct group *call)
{
	const struct group *next = parallel->order[parallel->next];

	return call && next->task == call->task &&
	       !(next->kind == GROUP_STEP && parallel->met[next->first - parallel->first]);
}

/* Has the call changed all that it changes? */
static bool is_over(const struct parallel *parallel, const struct group *call)
{
	for (size_t i = call->last; i > call->first; i--) {
		const struct event *event = event_at(parallel, i);

		if (event->task == call->task && event->kind == EVENT_SPTE_CHANGED)
			return parallel->met[i - parallel->first];
	}
	return true;
}

/* Plays on: to the stretch's end, or to the next thing that `call` itself does. */
static void advance(struct parallel *parallel, const struct group *call)
{
	while (!parallel->replay->over) {
		if (is_due(parallel)) {
			if (waits_for(parallel, call))
				break;
			play_group(parallel, parallel->order[parallel->next++]);
			continue;
		}
		if (parallel->at + 1 >= parallel->end || (call && parallel->at + 1 > call->last))
			break;
		open_event(parallel, parallel->at + 1);
	}
}

/*
 * Within a call, which has just made one of its changes and holds mmu_lock shared: what
 * others did before it made its next.
 */
static void between_steps(struct parallel *parallel)
{
	struct group *call = parallel->playing;

	if (is_over(parallel, call))
		return;
	parallel->playing = NULL;
	parallel->steps = false;
	advance(parallel, call);
	if (parallel->next < parallel->group_count &&
	    parallel->order[parallel->next]->kind == GROUP_STEP && !parallel->replay->over)
		running_before_step(parallel, parallel->order[parallel->next]);
	parallel->playing = call;
	parallel->steps = true;
}

static void play(struct parallel *parallel)
{
	struct replay *replay = parallel->replay;

	if (parallel->first < parallel->end) {
		open_event(parallel, parallel->first);
		advance(parallel, NULL);
	}
	running_end_all(parallel);
	if (!replay->over)
		check_all_met(parallel, parallel->end);
	else if (replay->ending == ENDING_STOPPED)
		check_all_met(parallel, parallel->at);
}

static bool is_call(const struct event *event)
{
	return event->kind == EVENT_REGION || event->kind == EVENT_GET_LOG ||
	       event->kind == EVENT_CLEAR_LOG;
}

/* Behind the last event of a vCPU's thread in the stretch. */
static size_t end_of_vcpus(const struct trace *trace, size_t first, size_t end)
{
	bool runs[TASKS_MAX] = {false};
	size_t last = first;

	for (size_t i = first; i < end; i++) {
		if (trace->events[i].kind == EVENT_ACCESS)
			runs[trace->events[i].task] = true;
	}
	for (size_t i = first; i < end; i++) {
		if (runs[trace->events[i].task])
			last = i + 1;
	}
	return last;
}

/*
 * The stretch ends with the next PHASE, or with the first call that is made when no
 * vCPU runs any more: that one can be compared as in a trace of one thread. Not so where
 * calls were made beside the vCPUs: what they left in the log depends on the race.
 */
static size_t end_of_stretch(const struct trace *trace, size_t first)
{
	size_t end = first, vcpus;

	while (end < trace->count && trace->events[end].kind != EVENT_PHASE &&
	       trace->events[end].kind != EVENT_END)
		end++;
	vcpus = end_of_vcpus(trace, first, end);
	for (size_t i = first; i < end; i++) {
		if (is_call(&trace->events[i]))
			return i < vcpus ? end : i;
	}
	return end;
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
	free(parallel.owner);
	free(parallel.edges);
	free(parallel.met);
	free(parallel.excused);
}
