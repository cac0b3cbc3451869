/*
 * The accesses of vCPUs that run at once. No line shows where an access ends: it is
 * somewhere between its last fault and the next marker of its thread. It is let end
 * as late as possible, but before an entry is changed whose old value shows its
 * accessed or dirty flag, and before the entry is taken away from it.
 */
#include "parallel.h"

#define ENTRY_WRITE ((uint64_t)1 << 1) /* in both formats */

uint64_t dirty_flag(const struct replay *replay)
{
	return (uint64_t)1 << (replay->settings.value[SETTING_FORMAT] ? 9 : 6);
}

uint64_t accessed_flag(const struct replay *replay)
{
	return (uint64_t)1 << (replay->settings.value[SETTING_FORMAT] ? 8 : 5);
}

static bool only_reads(const struct event *access)
{
	return access->u.access.op == ACCESS_READ || access->u.access.op == ACCESS_EXECUTE;
}

/* Is it a change of the entry that maps the access's page, to or from a leaf? */
static bool touches(const struct event *access, const struct event *changed)
{
	uint64_t gfn = access->u.access.gpa >> 12;

	return changed->kind == EVENT_SPTE_CHANGED &&
	       gfn - changed->u.changed.gfn < tdp_level_pages(changed->u.changed.level) &&
	       (spte_is_leaf(changed->u.changed.old_spte, changed->u.changed.level) ||
		spte_is_leaf(changed->u.changed.new_spte, changed->u.changed.level));
}

static bool permits(const struct event *access, uint64_t spte)
{
	return spte_is_present(spte) && (only_reads(access) || (spte & ENTRY_WRITE));
}

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

/* Does the next change of the entry show that it was written? Without one nothing depends on it. */
static bool write_is_seen(const struct parallel *parallel, const struct event *access)
{
	const struct trace *trace = parallel->replay->trace;

	for (size_t i = parallel->at; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if (touches(access, event))
			return event->u.changed.old_spte & dirty_flag(parallel->replay);
	}
	return true;
}

/* The fault or call that event `i` belongs to. */
static const struct group *group_of(const struct parallel *parallel, size_t i)
{
	const struct group *found = NULL;

	for (size_t g = 0; g < parallel->group_count; g++) {
		const struct group *group = &parallel->groups[g];

		if (group->task == event_at(parallel, i)->task && group->first <= i &&
		    i <= group->last)
			found = group;
	}
	return found;
}

/*
 * A change is printed after it was made, and the changes of one call one after the
 * other, while other vCPUs go on: so an access may find the entry as it is before
 * the first, or after the last line that stands in its interval, or as a fault under
 * way has just made it.
 */
static bool lines_allow(const struct parallel *parallel, const struct running *running)
{
	const struct event *access = running->access;
	uint64_t before = 0;

	for (size_t i = parallel->first; i < parallel->end; i++) {
		const struct event *event = event_at(parallel, i);

		if (!touches(access, event))
			continue;
		if (i < running->began) {
			before = event->u.changed.new_spte;
			continue;
		}
		if (permits(access, event->u.changed.old_spte))
			return true;
		if (i > parallel->at)
			return permits(access, event->u.changed.new_spte) &&
			       group_of(parallel, i) && group_of(parallel, i)->first < parallel->at;
		if (permits(access, event->u.changed.new_spte))
			return true;
	}
	return permits(access, before);
}

/* The last moment of the access's interval: unless it ended before, it ends now. */
static void finish(struct parallel *parallel, unsigned int vcpu)
{
	struct running *running = &parallel->running[vcpu];
	bool done = !running->access ||
		    (running->maybe_done && !write_is_seen(parallel, running->access));

	if (!done && !complete(parallel, vcpu) && !running->maybe_done &&
	    !lines_allow(parallel, running))
		replay_lose(parallel->replay, running->access->line,
			    "this access faults once more in the simulator");
	running->access = NULL;
}

void running_begin(struct parallel *parallel, size_t i)
{
	const struct event *access = event_at(parallel, i);
	struct running *running;

	if (access->u.access.vcpu >= parallel->replay->cpu_count) {
		replay_lose(parallel->replay, access->line, "the trace has no such vCPU");
		return;
	}
	running = &parallel->running[access->u.access.vcpu];
	*running = (struct running){.access = access, .began = i, .task = access->task};
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

void running_end_interval(struct parallel *parallel, const struct event *marker)
{
	if (marker->kind == EVENT_EXIT)
		return;
	for (unsigned int v = 0; v < parallel->replay->cpu_count; v++) {
		if (parallel->running[v].access && parallel->running[v].task == marker->task)
			finish(parallel, v);
	}
}

void running_end_all(struct parallel *parallel)
{
	for (unsigned int v = 0; v < parallel->replay->cpu_count && !parallel->replay->over; v++)
		finish(parallel, v);
}

uint64_t entry_now(struct replay *replay, const struct event *changed)
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

/* Would the access be allowed, and change nothing, while the entry is as it is? */
static bool leaves_no_mark(const struct replay *replay, const struct event *access, uint64_t entry)
{
	uint64_t flags = accessed_flag(replay) | (only_reads(access) ? 0 : dirty_flag(replay));

	return permits(access, entry) && (entry & flags) == flags;
}

static void before_change(struct parallel *parallel, const struct event *changed, bool zapped)
{
	struct replay *replay = parallel->replay;
	uint64_t old = changed->u.changed.old_spte, now, missing;

	if (!spte_is_leaf(old, changed->u.changed.level))
		return;
	now = entry_now(replay, changed);
	missing = old & ~now & (dirty_flag(replay) | accessed_flag(replay));
	for (unsigned int v = 0; v < replay->cpu_count; v++) {
		struct running *running = &parallel->running[v];

		if (!running->access || running->faults_left || !touches(running->access, changed))
			continue;
		running->maybe_done |= leaves_no_mark(replay, running->access, now);
		if ((missing || zapped) &&
		    (only_reads(running->access) || (old & dirty_flag(replay))))
			complete(parallel, v);
	}
}

void running_before_group(struct parallel *parallel, const struct group *group)
{
	for (size_t i = group->first; i <= group->last; i++) {
		const struct event *event = event_at(parallel, i);

		if (event->task == group->task && event->kind == EVENT_SPTE_CHANGED)
			before_change(parallel, event, group->kind == GROUP_HOST);
	}
}
