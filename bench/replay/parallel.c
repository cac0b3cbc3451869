/*
 * A stretch of a trace in which several vCPUs run at once, replayed one step after
 * the other in an order that the trace allows:
 *
 * - a recorded fault at the place where it first changed an entry (else where the
 *   fast path fixed one, else at its return), a host event likewise;
 * - an access's end, which no line shows, somewhere between its last fault and the
 *   next marker of its thread: as late as possible, but before an entry is changed
 *   whose old value shows the access's accessed or dirty flag.
 *
 * A fault that the trace saw end in RETRY changed no leaf, and its vCPU faulted
 * again; run at one moment it would not lose its race, so it is left out.
 *
 * Compared: for each entry (address space, gfn, level) its transitions in order and
 * its repairs by the fast path; the dirty marks of each gfn. What one race decides
 * is not: the order between entries, who faulted, how often, and with what result.
 */
#include "guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESULT_RETRY 1

enum group_kind { GROUP_FAULT, GROUP_HOST };

/* The events of one fault or one host call. */
struct group {
	enum group_kind kind;
	size_t first, last, place;
	bool placed, retried;
	unsigned int task;
};

struct running {
	const struct event *access; /* NULL: the vCPU rests */
	unsigned int task;
	size_t faults_left; /* recorded ones, still to be played */
	bool over;	    /* ended by an exit */
};

struct open_groups {
	size_t fault, host; /* index + 1; 0: none */
};

struct parallel {
	struct replay *replay;
	size_t first, end; /* of the trace's events */
	size_t at;	   /* the event being played */
	const struct group *playing;
	struct group *groups;
	size_t group_count;
	size_t *group_at; /* for each event: index + 1 of the group placed there */
	bool *met;	  /* for each event: one of ours met it */
	struct running running[VCPUS_MAX];
};

static const struct event *event_at(const struct parallel *parallel, size_t i)
{
	return &parallel->replay->trace->events[i];
}

/* --- which events belong together --- */

static size_t open_group(struct parallel *parallel, enum group_kind kind, size_t i)
{
	struct group *group = &parallel->groups[parallel->group_count++];

	*group = (struct group){.kind = kind,
				.first = i,
				.last = i,
				.place = i,
				.task = event_at(parallel, i)->task};
	return parallel->group_count;
}

static void place(struct parallel *parallel, size_t group, size_t i)
{
	struct group *g = &parallel->groups[group - 1];

	g->last = i;
	if (!g->placed)
		g->place = i;
	g->placed = true;
}

static void group_event(struct parallel *parallel, struct open_groups *open, size_t i)
{
	const struct event *event = event_at(parallel, i);

	switch (event->kind) {
	case EVENT_PAGE_FAULT:
	case EVENT_MISCONFIG:
		open->fault = open_group(parallel, GROUP_FAULT, i);
		open->host = 0;
		break;
	case EVENT_UNMAP:
	case EVENT_REGION:
		open->host = open_group(parallel, GROUP_HOST, i);
		break;
	case EVENT_SPTE_CHANGED:
	case EVENT_ZAP_ALL_FAST:
		if (open->host || open->fault)
			place(parallel, open->host ? open->host : open->fault, i);
		break;
	case EVENT_FAST_PAGE_FAULT:
		if (open->fault && event->u.fast.fixed)
			place(parallel, open->fault, i);
		break;
	case EVENT_RETURN:
		if (!open->fault)
			break;
		parallel->groups[open->fault - 1].retried = event->u.ret.value == RESULT_RETRY;
		parallel->groups[open->fault - 1].last = i;
		if (!parallel->groups[open->fault - 1].placed)
			place(parallel, open->fault, i);
		open->fault = open->host = 0;
		break;
	case EVENT_FLUSH:
	case EVENT_ZAP_PAGE:
		break;
	default:
		open->host = 0;
		if (open->fault)
			parallel->groups[open->fault - 1].last = i;
		if (event_is_marker(event))
			open->fault = 0;
	}
}

static int group_events(struct parallel *parallel)
{
	size_t count = parallel->end - parallel->first, tasks = 0;
	struct open_groups *open;

	for (size_t i = parallel->first; i < parallel->end; i++) {
		if (event_at(parallel, i)->task >= tasks)
			tasks = event_at(parallel, i)->task + 1;
	}
	open = calloc(tasks + 1, sizeof(*open));
	parallel->groups = calloc(count + 1, sizeof(*parallel->groups));
	parallel->group_at = calloc(count + 1, sizeof(*parallel->group_at));
	parallel->met = calloc(count + 1, sizeof(*parallel->met));
	if (!open || !parallel->groups || !parallel->group_at || !parallel->met) {
		free(open);
		return -ENOMEM;
	}
	for (size_t i = parallel->first; i < parallel->end; i++) {
		if (!(event_at(parallel, i)->kind == EVENT_UNMAP &&
		      !script_hits_slot(&parallel->replay->script,
					event_at(parallel, i)->u.range.start,
					event_at(parallel, i)->u.range.end)))
			group_event(parallel, &open[event_at(parallel, i)->task], i);
	}
	for (size_t g = 0; g < parallel->group_count; g++)
		parallel->group_at[parallel->groups[g].place - parallel->first] = g + 1;
	free(open);
	return 0;
}

/* --- what ours is compared with --- */

static bool same_key(const struct event *theirs, const struct event *ours)
{
	if (theirs->kind != ours->kind)
		return false;
	switch (ours->kind) {
	case EVENT_SPTE_CHANGED:
		return theirs->u.changed.as_id == ours->u.changed.as_id &&
		       theirs->u.changed.gfn == ours->u.changed.gfn &&
		       theirs->u.changed.level == ours->u.changed.level;
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

void parallel_event(struct replay *replay, const struct event *ours)
{
	struct parallel *parallel = replay->parallel;

	if (!is_compared(ours))
		return;
	for (size_t i = parallel->first; i < parallel->end; i++) {
		if (parallel->met[i - parallel->first] || !same_key(event_at(parallel, i), ours))
			continue;
		parallel->met[i - parallel->first] = true;
		compare_events(&replay->comparison, event_at(parallel, i), ours);
		return;
	}
	replay_lose(replay, line_of_no_match(parallel),
		    "the simulator has %.*s, the trace no such change any more", (int)ours->length,
		    ours->text);
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

/* --- accesses --- */

/* Lets the access run to its HLT; false if it would fault now. */
static bool complete(struct parallel *parallel, unsigned int vcpu)
{
	struct running *running = &parallel->running[vcpu];
	struct plan plan = guest_plan(running->access);
	struct tdp_access_result result;

	for (unsigned int i = 0; i < plan.count && !running->over; i++) {
		struct tdp_access_request request = {.address = plan.steps[i].address,
						     .access = plan.steps[i].access,
						     .rip = plan.steps[i].rip};

		if (tdp_vcpu_enter(parallel->replay->cpus[vcpu].vcpu, &request, &result) ||
		    result.outcome != TDP_ACCESS_DONE)
			return false;
	}
	running->access = NULL;
	return true;
}

static void finish(struct parallel *parallel, unsigned int vcpu)
{
	struct running *running = &parallel->running[vcpu];

	if (running->access && !complete(parallel, vcpu))
		replay_lose(parallel->replay, running->access->line,
			    "this access faults once more in the simulator");
	running->access = NULL;
}

static void begin_access(struct parallel *parallel, size_t i)
{
	const struct event *access = event_at(parallel, i);
	struct running *running;

	if (access->u.access.vcpu >= parallel->replay->cpu_count) {
		replay_lose(parallel->replay, access->line, "the trace has no such vCPU");
		return;
	}
	running = &parallel->running[access->u.access.vcpu];
	*running = (struct running){.access = access, .task = access->task};
	for (i++; i < parallel->end; i++) {
		const struct event *event = event_at(parallel, i);

		if (event->task != access->task)
			continue;
		if (event->kind == EVENT_PAGE_FAULT || event->kind == EVENT_MISCONFIG)
			running->faults_left++;
		else if (event->kind == EVENT_EXIT)
			running->over = true;
		else if (event_is_marker(event))
			break;
	}
}

static void end_interval(struct parallel *parallel, const struct event *marker)
{
	if (marker->kind == EVENT_EXIT)
		return;
	for (unsigned int v = 0; v < parallel->replay->cpu_count; v++) {
		if (parallel->running[v].access && parallel->running[v].task == marker->task)
			finish(parallel, v);
	}
}

/* --- accessed and dirty flags --- */

static uint64_t dirty_flag(const struct replay *replay)
{
	return (uint64_t)1 << (replay->settings.value[SETTING_FORMAT] ? 9 : 6);
}

static uint64_t accessed_flag(const struct replay *replay)
{
	return (uint64_t)1 << (replay->settings.value[SETTING_FORMAT] ? 8 : 5);
}

static uint64_t entry_now(struct replay *replay, const struct event *changed)
{
	struct tdp_entry entry;
	struct tdp_iter *iter;
	uint64_t value = 0;

	if (tdp_iter_begin(replay->vm, changed->u.changed.as_id, tdp_gfn(changed->u.changed.gfn), 1,
			   changed->u.changed.level, &iter))
		return 0;
	while (tdp_iter_next(iter, &entry)) {
		if (entry.level == changed->u.changed.level)
			value = entry.value;
	}
	tdp_iter_end(iter);
	return value;
}

static bool touches(const struct event *access, const struct event *changed)
{
	uint64_t gfn = access->u.access.gpa >> 12;

	return gfn - changed->u.changed.gfn < tdp_level_pages(changed->u.changed.level);
}

/* Ends accesses whose flags the old value of a change to come shows. */
static void complete_before(struct parallel *parallel, const struct event *changed, bool zapped)
{
	struct replay *replay = parallel->replay;
	uint64_t old = changed->u.changed.old_spte, missing;

	if (!spte_is_leaf(old, changed->u.changed.level))
		return;
	missing = old & ~entry_now(replay, changed) & (dirty_flag(replay) | accessed_flag(replay));
	for (unsigned int v = 0; v < replay->cpu_count && (missing || zapped); v++) {
		const struct running *running = &parallel->running[v];

		if (!running->access || running->faults_left || !touches(running->access, changed))
			continue;
		if (running->access->u.access.op == ACCESS_READ ||
		    running->access->u.access.op == ACCESS_EXECUTE || (old & dirty_flag(replay)))
			complete(parallel, v);
	}
}

static void complete_before_group(struct parallel *parallel, const struct group *group)
{
	for (size_t i = group->first; i <= group->last; i++) {
		const struct event *event = event_at(parallel, i);

		if (event->task == group->task && event->kind == EVENT_SPTE_CHANGED)
			complete_before(parallel, event, group->kind == GROUP_HOST);
	}
}

/* --- playing --- */

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
	if (group->retried)
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
	if (!group->retried)
		complete_before_group(parallel, group);
	if (group->kind == GROUP_FAULT)
		play_fault(parallel, group);
	else
		play_host(parallel, group);
	parallel->playing = NULL;
}

static void play_event(struct parallel *parallel, size_t i)
{
	const struct event *event = event_at(parallel, i);
	size_t group = parallel->group_at[i - parallel->first];

	parallel->at = i;
	if (event->kind == EVENT_FEATURE)
		replay_stop(parallel->replay, event->line, event->u.feature.name);
	else if (event->kind == EVENT_AGE &&
		 script_hits_slot(&parallel->replay->script, event->u.range.start,
				  event->u.range.end))
		replay_stop(parallel->replay, event->line, "ageing");
	else if (event->kind == EVENT_RING)
		replay_stop(parallel->replay, event->line, "the dirty ring");
	/* A call that is to stop the replay stops it where it is made, not where it works. */
	if (event->kind == EVENT_REGION && host_region_needs_feature(parallel->replay, event))
		return;
	if (parallel->replay->over)
		return;
	if (event_is_marker(event))
		end_interval(parallel, event);
	if (event->kind == EVENT_ACCESS)
		begin_access(parallel, i);
	if (group && !parallel->replay->over)
		play_group(parallel, &parallel->groups[group - 1]);
}

static void play(struct parallel *parallel)
{
	struct replay *replay = parallel->replay;
	size_t i;

	for (i = parallel->first; i < parallel->end && !replay->over; i++)
		play_event(parallel, i);
	for (unsigned int v = 0; v < replay->cpu_count && !replay->over; v++)
		finish(parallel, v);
	if (!replay->over)
		check_all_met(parallel, parallel->end);
	else if (replay->ending == ENDING_STOPPED)
		check_all_met(parallel, i - 1);
}

void parallel_run(struct replay *replay)
{
	struct parallel parallel = {.replay = replay, .first = replay->cursor + 1};

	parallel.end = parallel.first;
	while (parallel.end < replay->trace->count &&
	       replay->trace->events[parallel.end].kind != EVENT_PHASE &&
	       replay->trace->events[parallel.end].kind != EVENT_END)
		parallel.end++;
	if (group_events(&parallel)) {
		replay_fail(replay, -ENOMEM, "no memory for a parallel stretch");
	} else {
		replay->parallel = &parallel;
		play(&parallel);
		replay->parallel = NULL;
		replay->cursor = parallel.end;
	}
	free(parallel.groups);
	free(parallel.group_at);
	free(parallel.met);
}
