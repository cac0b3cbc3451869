/*
 * The accesses of vCPUs that run at once. No line shows where an access ends: it is
 * somewhere between its last fault and the next marker of its thread. It is let end
 * as late as possible, but before an entry is changed whose old value shows its
 * accessed or dirty flag, and before the entry is taken away from it.
 */
#include "parallel.h"

static bool only_reads(const struct event *access)
{
	return access->u.access.op == ACCESS_READ || access->u.access.op == ACCESS_EXECUTE;
}

/* Is it a change of the entry that maps the access's page, to or from a leaf? */
static bool step_touches(const struct parallel *parallel, const struct event *access,
			 const struct event *event, struct entry_step *step)
{
	uint64_t gfn = access->u.access.gpa >> 12;

	return chain_step(parallel, event, step) &&
	       gfn - step->gfn < tdp_level_pages(step->level) &&
	       (spte_is_leaf(step->old_spte, step->level) ||
		spte_is_leaf(step->new_spte, step->level));
}

static bool touches(const struct parallel *parallel, const struct event *access,
		    const struct event *changed)
{
	struct entry_step step;

	return changed->kind == EVENT_SPTE_CHANGED &&
	       step_touches(parallel, access, changed, &step);
}

static bool permits(const struct event *access, uint64_t spte)
{
	return spte_is_present(spte) && (only_reads(access) || (spte & ENTRY_WRITE));
}

/* Lets the access run to its HLT; false if it would fault now. */
static bool run(struct parallel *parallel, const struct event *access)
{
	struct tdp_vcpu *vcpu = parallel->replay->cpus[access->u.access.vcpu].vcpu;
	struct plan plan = guest_plan(access);
	struct tdp_access_result result;

	for (unsigned int i = 0; i < plan.count; i++) {
		struct tdp_access_request request = {.address = plan.steps[i].address,
						     .access = plan.steps[i].access,
						     .rip = plan.steps[i].rip};

		if (tdp_vcpu_enter(vcpu, &request, &result) || result.outcome != TDP_ACCESS_DONE)
			return false;
	}
	return true;
}

static bool complete(struct parallel *parallel, unsigned int vcpu)
{
	struct running *running = &parallel->running[vcpu];

	if (!running->over && !run(parallel, running->access))
		return false;
	running->access = NULL;
	return true;
}

/* Does the next change of the entry show that it was written? Without one nothing depends on it. */
static bool write_is_seen(const struct parallel *parallel, const struct event *access)
{
	const struct trace *trace = parallel->replay->trace;

	for (size_t i = parallel->at; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if (touches(parallel, access, event))
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

		if (group->kind != GROUP_STEP && group->task == event_at(parallel, i)->task &&
		    group->first <= i && i <= group->last)
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
	struct entry_step step;
	uint64_t before = 0;

	for (size_t i = parallel->first; i < parallel->end; i++) {
		if (!step_touches(parallel, access, event_at(parallel, i), &step))
			continue;
		if (i < running->began) {
			before = step.new_spte;
			continue;
		}
		if (permits(access, step.old_spte))
			return true;
		if (i > parallel->at)
			return permits(access, before) ||
			       (permits(access, step.new_spte) && group_of(parallel, i) &&
				group_of(parallel, i)->first < parallel->at);
		if (permits(access, step.new_spte))
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

static bool is_to_be_played(const struct parallel *parallel, size_t fault, bool that_map)
{
	size_t owner = parallel->owner[fault - parallel->first];

	return owner && !parallel->groups[owner - 1].played &&
	       (!that_map || parallel->groups[owner - 1].changed);
}

/* How many faults of the access at `i` are still to be played; does it end with an exit? */
static size_t faults_of(const struct parallel *parallel, size_t i, bool that_map, bool *over)
{
	unsigned int task = event_at(parallel, i)->task;
	size_t faults = 0;

	for (i++; i < parallel->end; i++) {
		const struct event *event = event_at(parallel, i);

		if (event->task != task)
			continue;
		if (event->kind == EVENT_PAGE_FAULT || event->kind == EVENT_MISCONFIG)
			faults += is_to_be_played(parallel, i, that_map);
		else if (event->kind == EVENT_EXIT)
			*over = true;
		else if (event_is_marker(event))
			break;
	}
	return faults;
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
	if (parallel->met[i - parallel->first])
		running->access = NULL;
	else
		running->faults_left = faults_of(parallel, i, false, &running->over);
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

uint64_t entry_now(struct replay *replay, const struct entry_step *step)
{
	struct tdp_entry entry;
	struct tdp_iter *iter;
	uint64_t value = 0;

	if (tdp_iter_begin(replay->vm, step->as_id, tdp_gfn(step->gfn), 1, step->level, &iter))
		return 0;
	while (tdp_iter_next(iter, &entry)) {
		if (entry.level == step->level)
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

/*
 * A call is played where its first change stands; other vCPUs reached the entries that it
 * changed later while it was under way. So where one of these shows a flag that nobody
 * has set yet, an access that begins before its line did, and runs now.
 */
static void run_early(struct parallel *parallel, size_t line, uint64_t missing)
{
	const struct event *changed = event_at(parallel, line);
	bool over;

	for (size_t i = parallel->at + 1; i < line; i++) {
		const struct event *access = event_at(parallel, i);

		over = parallel->met[i - parallel->first];
		if (access->kind != EVENT_ACCESS || !touches(parallel, access, changed) ||
		    access->u.access.vcpu >= parallel->replay->cpu_count ||
		    ((missing & dirty_flag(parallel->replay)) && only_reads(access)))
			continue;
		if (faults_of(parallel, i, true, &over) == 0 && !over && run(parallel, access)) {
			parallel->met[i - parallel->first] = true;
			return;
		}
	}
}

static void before_change(struct parallel *parallel, size_t line, bool zapped)
{
	const struct event *changed = event_at(parallel, line);
	struct replay *replay = parallel->replay;
	uint64_t old, now, missing;
	struct entry_step step;

	if (!chain_step(parallel, changed, &step) || !spte_is_leaf(step.old_spte, step.level))
		return;
	old = step.old_spte;
	now = entry_now(replay, &step);
	missing = old & ~now & (dirty_flag(replay) | accessed_flag(replay));
	for (unsigned int v = 0; v < replay->cpu_count; v++) {
		struct running *running = &parallel->running[v];

		if (!running->access || running->faults_left ||
		    !touches(parallel, running->access, changed))
			continue;
		running->maybe_done |= leaves_no_mark(replay, running->access, now);
		if ((missing || zapped) &&
		    (only_reads(running->access) || (old & dirty_flag(replay))))
			complete(parallel, v);
	}
	missing = old & ~entry_now(replay, &step) & (dirty_flag(replay) | accessed_flag(replay));
	if (missing)
		run_early(parallel, line, missing);
}

static bool is_step(const struct parallel *parallel, size_t i)
{
	size_t owner = parallel->owner[i - parallel->first];

	return owner && parallel->groups[owner - 1].kind == GROUP_STEP;
}

void running_before_group(struct parallel *parallel, const struct group *group)
{
	for (size_t i = group->first; i <= group->last; i++) {
		const struct event *event = event_at(parallel, i);

		if (event->task != group->task || event->kind != EVENT_SPTE_CHANGED)
			continue;
		before_change(parallel, i, group->kind == GROUP_HOST);
		if (is_step(parallel, i))
			break;
	}
}

void running_before_step(struct parallel *parallel, const struct group *step)
{
	before_change(parallel, step->first, true);
}
