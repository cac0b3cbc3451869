#include "parallel.h"

#include "act.h"
#include "host.h"
#include "log.h"
#include "meet.h"
#include "running.h"
#include "schedule.h"
#include "script.h"

#include <errno.h>

#define NPT_PRESENT	 ((uint64_t)1 << 0)
#define EPT_ENTRY_RIGHTS ((uint64_t)7 << 3)

/*
 * When a fault took mmu_lock, the fast path had given it up for what the entry was then. By
 * now others may have made of the entry what the fast path would take. So the fault is
 * handed over as one on an entry that is not present.
 */
static uint64_t error_code_of(const struct stretch *stretch, const struct group *group,
			      uint64_t error_code)
{
	bool ept = replay_is_ept(stretch->replay);

	return group->slow ? error_code & ~(ept ? EPT_ENTRY_RIGHTS : NPT_PRESENT) : error_code;
}

static void play_fault(struct stretch *stretch, const struct group *group)
{
	struct replay *replay = stretch->replay;
	const struct event *event = stretch_event(stretch, group->first);
	struct tdp_fault fault = {
		.gpa = event->u.page_fault.address,
		.error_code = error_code_of(stretch, group, event->u.page_fault.error_code),
		.rip = event->u.page_fault.rip};
	unsigned int vcpu = event->u.page_fault.vcpu;
	enum tdp_fault_result result;
	int err;

	if (event->kind == EVENT_MISCONFIG || vcpu >= replay->cpu_count) {
		replay_stop(replay, event->line, "misconfigurations of several vCPUs at once");
		return;
	}
	/* Of the access that runs, or of one to come. */
	if (stretch->running[vcpu].faults_left && stretch->running[vcpu].began < group->first)
		stretch->running[vcpu].faults_left--;
	if (!group->changed)
		return;
	script_prepare(replay, group->first, script_fault_end(replay->trace, group->first),
		       group->task);
	if (script_cannot_answer(replay, event->line, 0, fault.gpa))
		return;
	err = tdp_vcpu_fault(replay->cpus[vcpu].vcpu, &fault, &result);
	script_forget(replay);
	if (err && err != -EFAULT)
		replay_fail(replay, err, "the fault handler failed");
}

/* Does the call change the slot's flags alone? Then it excludes no faults. */
static bool keeps_slot(struct replay *replay, const struct event *call)
{
	const struct slot *slot =
		slots_at(&replay->slots, call->u.region.as_id, call->u.region.slot);

	return slot && slot->used && slot->gpa == call->u.region.gpa &&
	       slot->bytes == call->u.region.bytes && slot->hva == call->u.region.hva;
}

static void play_host(struct stretch *stretch, const struct group *group)
{
	const struct event *event = stretch_event(stretch, group->first);

	switch (event->kind) {
	case EVENT_UNMAP:
		act_unmap(stretch->replay, event);
		break;
	case EVENT_GET_LOG:
		log_read(stretch->replay, event);
		break;
	case EVENT_CLEAR_LOG:
		log_clear(stretch->replay, event);
		break;
	default:
		stretch->steps = keeps_slot(stretch->replay, event);
		host_set_region(stretch->replay, event);
		stretch->steps = false;
	}
}

static void play_group(struct stretch *stretch, struct group *group)
{
	struct group *playing = stretch->playing;

	stretch->playing = group;
	group->played = true;
	if (group->kind == GROUP_HOST || (group->kind == GROUP_FAULT && group->changed))
		running_before_group(stretch, group);
	if (group->kind == GROUP_FAULT)
		play_fault(stretch, group);
	else if (group->kind == GROUP_HOST)
		play_host(stretch, group);
	stretch->playing = playing;
}

/* A call that stops the replay stops it at its line, not at its first change. */
static bool stops_at(struct stretch *stretch, const struct event *event)
{
	if (event->kind == EVENT_FEATURE)
		replay_stop(stretch->replay, event->line, event->u.feature.name);
	else if (event->kind == EVENT_REGION)
		host_region_needs_feature(stretch->replay, event);
	return stretch->replay->over;
}

static void open_event(struct stretch *stretch, size_t i)
{
	const struct event *event = stretch_event(stretch, i);

	stretch->at = i;
	if (stops_at(stretch, event))
		return;
	if (event_is_marker(event))
		running_end_interval(stretch, event);
	if (event->kind == EVENT_ACCESS)
		running_begin(stretch, i);
}

static bool is_due(const struct stretch *stretch)
{
	return stretch->next < stretch->group_count &&
	       stretch->order[stretch->next]->rank <= stretch_rank(stretch, stretch->at);
}

/* Does the call's own task do what is played next, behind what the call has done so far? */
static bool waits_for(const struct stretch *stretch, const struct group *call)
{
	const struct group *next = stretch->order[stretch->next];

	return call && next->task == call->task &&
	       !(next->kind == GROUP_STEP && stretch->met[next->first - stretch->first]);
}

/* Has the call changed all that it changes? */
static bool is_over(const struct stretch *stretch, const struct group *call)
{
	for (size_t i = call->last; i > call->first; i--) {
		const struct event *event = stretch_event(stretch, i);

		if (event->task == call->task && event->kind == EVENT_SPTE_CHANGED)
			return stretch->met[i - stretch->first];
	}
	return true;
}

/* Plays to the stretch's end, or to the next thing that `call` itself does. */
static void advance(struct stretch *stretch, const struct group *call)
{
	while (!stretch->replay->over) {
		if (is_due(stretch)) {
			if (waits_for(stretch, call))
				break;
			play_group(stretch, stretch->order[stretch->next++]);
			continue;
		}
		if (stretch->at + 1 >= stretch->end || (call && stretch->at + 1 > call->last))
			break;
		open_event(stretch, stretch->at + 1);
	}
}

/*
 * A call that holds mmu_lock shared has just made one of its changes: play what others did
 * before it made its next.
 */
static void between_steps(struct stretch *stretch)
{
	struct group *call = stretch->playing;

	if (is_over(stretch, call))
		return;
	stretch->playing = NULL;
	stretch->steps = false;
	advance(stretch, call);
	if (stretch->next < stretch->group_count &&
	    stretch->order[stretch->next]->kind == GROUP_STEP && !stretch->replay->over)
		running_before_step(stretch, stretch->order[stretch->next]);
	stretch->playing = call;
	stretch->steps = true;
}

static void meet(struct replay *replay, const struct event *ours)
{
	struct stretch *stretch = replay->stretch;

	if (meet_event(stretch, ours) && stretch->steps)
		between_steps(stretch);
}

static void play(struct stretch *stretch)
{
	struct replay *replay = stretch->replay;

	if (stretch->first < stretch->end) {
		open_event(stretch, stretch->first);
		advance(stretch, NULL);
	}
	running_end_all(stretch);
	if (!replay->over)
		meet_rest(stretch, stretch->end);
	else if (replay->ending == ENDING_STOPPED)
		meet_rest(stretch, stretch->at);
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
 * The stretch ends with the next PHASE, or with the first call that is made when no vCPU
 * runs any more: that call can be compared as in a trace of one thread. After calls beside
 * vCPUs it cannot, because what they left in the log depends on the race.
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
	size_t first = replay->cursor + 1, end = end_of_stretch(replay->trace, first);
	struct stretch stretch;

	if (stretch_init(&stretch, replay, first, end) || schedule_groups(&stretch)) {
		replay_fail(replay, -ENOMEM, "no memory for a parallel stretch");
	} else {
		replay->stretch = &stretch;
		replay->meet_in_stretch = meet;
		play(&stretch);
		replay->stretch = NULL;
		replay->cursor = end;
	}
	stretch_fini(&stretch);
}
