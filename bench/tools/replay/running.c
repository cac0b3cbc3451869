#include "running.h"

#include "mapping.h"
#include "program.h"
#include "step.h"

static bool only_reads(const struct event *access)
{
	return access->u.access.op == ACCESS_READ || access->u.access.op == ACCESS_EXECUTE;
}

/* Is it a change of the entry that maps the access's page, to or from a leaf? */
static bool step_touches(const struct stretch *stretch, const struct event *access,
			 const struct event *event, struct entry_step *step)
{
	uint64_t gfn = access->u.access.gpa >> 12;

	return step_of(stretch, event, step) && gfn - step->gfn < tdp_level_pages(step->level) &&
	       (spte_is_leaf(step->old_spte, step->level) ||
		spte_is_leaf(step->new_spte, step->level));
}

static bool touches(const struct stretch *stretch, const struct event *access,
		    const struct event *changed)
{
	struct entry_step step;

	return changed->kind == EVENT_SPTE_CHANGED && step_touches(stretch, access, changed, &step);
}

static bool permits(const struct event *access, uint64_t spte)
{
	return spte_is_present(spte) && (only_reads(access) || (spte & SPTE_WRITE));
}

/* Runs the access to its HLT; false if it would fault now. */
static bool run(struct stretch *stretch, const struct event *access)
{
	struct tdp_vcpu *vcpu = stretch->replay->cpus[access->u.access.vcpu].vcpu;
	struct plan plan = program_plan(access);
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

static bool complete(struct stretch *stretch, unsigned int vcpu)
{
	struct running *running = &stretch->running[vcpu];

	if (!running->over && !run(stretch, running->access))
		return false;
	running->access = NULL;
	return true;
}

/* Does the next change of the entry show the write? If there is none, nothing depends on it. */
static bool write_is_seen(const struct stretch *stretch, const struct event *access)
{
	const struct trace *trace = stretch->replay->trace;

	for (size_t i = stretch->at; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if (touches(stretch, access, event))
			return event->u.changed.old_spte & stretch->replay->bits->dirty;
	}
	return true;
}

/* The fault or call that event `i` belongs to. */
static const struct group *group_of(const struct stretch *stretch, size_t i)
{
	const struct group *found = NULL;

	for (size_t g = 0; g < stretch->group_count; g++) {
		const struct group *group = &stretch->groups[g];

		if (group->kind != GROUP_STEP && group->task == stretch_event(stretch, i)->task &&
		    group->first <= i && i <= group->last)
			found = group;
	}
	return found;
}

/*
 * A change is printed after it was made, and the changes of one call are printed one after
 * the other while other vCPUs go on. So an access may find its entry as it is before the
 * first line of its interval that changes it, or after the last, or as a fault under way
 * has just made it.
 */
static bool lines_allow(const struct stretch *stretch, const struct running *running)
{
	const struct event *access = running->access;
	struct entry_step step;
	uint64_t before = 0;

	for (size_t i = stretch->first; i < stretch->end; i++) {
		if (!step_touches(stretch, access, stretch_event(stretch, i), &step))
			continue;
		if (i < running->began) {
			before = step.new_spte;
			continue;
		}
		if (permits(access, step.old_spte))
			return true;
		if (i > stretch->at)
			return permits(access, before) ||
			       (permits(access, step.new_spte) && group_of(stretch, i) &&
				group_of(stretch, i)->first < stretch->at);
		if (permits(access, step.new_spte))
			return true;
	}
	return permits(access, before);
}

/* Ends the access at the last moment of its interval, unless it ended before. */
static void finish(struct stretch *stretch, unsigned int vcpu)
{
	struct running *running = &stretch->running[vcpu];
	bool done = !running->access ||
		    (running->maybe_done && !write_is_seen(stretch, running->access));

	if (!done && !complete(stretch, vcpu) && !running->maybe_done &&
	    !lines_allow(stretch, running))
		replay_lose(stretch->replay, running->access->line,
			    "this access faults once more in the simulator");
	running->access = NULL;
}

static bool is_to_be_played(const struct stretch *stretch, size_t fault, bool mapping_only)
{
	size_t owner = stretch->owner[fault - stretch->first];

	return owner && !stretch->groups[owner - 1].played &&
	       (!mapping_only || stretch->groups[owner - 1].changed);
}

/* How many faults of the access at `i` are still to be played; does it end with an exit? */
static size_t faults_of(const struct stretch *stretch, size_t i, bool mapping_only, bool *over)
{
	unsigned int task = stretch_event(stretch, i)->task;
	size_t faults = 0;

	for (i++; i < stretch->end; i++) {
		const struct event *event = stretch_event(stretch, i);

		if (event->task != task)
			continue;
		if (event->kind == EVENT_PAGE_FAULT || event->kind == EVENT_MISCONFIG)
			faults += is_to_be_played(stretch, i, mapping_only);
		else if (event->kind == EVENT_EXIT)
			*over = true;
		else if (event_is_marker(event))
			break;
	}
	return faults;
}

void running_begin(struct stretch *stretch, size_t i)
{
	const struct event *access = stretch_event(stretch, i);
	struct running *running;

	if (access->u.access.vcpu >= stretch->replay->cpu_count) {
		replay_lose(stretch->replay, access->line, "the trace has no such vCPU");
		return;
	}
	running = &stretch->running[access->u.access.vcpu];
	*running = (struct running){.access = access, .began = i, .task = access->task};
	if (stretch->met[i - stretch->first])
		running->access = NULL;
	else
		running->faults_left = faults_of(stretch, i, false, &running->over);
}

void running_end_interval(struct stretch *stretch, const struct event *marker)
{
	if (marker->kind == EVENT_EXIT)
		return;
	for (unsigned int v = 0; v < stretch->replay->cpu_count; v++) {
		if (stretch->running[v].access && stretch->running[v].task == marker->task)
			finish(stretch, v);
	}
}

void running_end_all(struct stretch *stretch)
{
	for (unsigned int v = 0; v < stretch->replay->cpu_count && !stretch->replay->over; v++)
		finish(stretch, v);
}

/* Would the access be allowed, and change nothing, while the entry is as it is? */
static bool leaves_no_mark(const struct replay *replay, const struct event *access, uint64_t entry)
{
	uint64_t flags = replay->bits->accessed | (only_reads(access) ? 0 : replay->bits->dirty);

	return permits(access, entry) && (entry & flags) == flags;
}

/*
 * A call is played where its first change stands, but other vCPUs reached the entries that
 * it changed later while it was under way. If such an entry shows a flag that no access has
 * set yet, then an access that begins before the line of the change set it: it runs now.
 */
static void run_early(struct stretch *stretch, size_t line, uint64_t missing)
{
	const struct event *changed = stretch_event(stretch, line);
	bool over;

	for (size_t i = stretch->at + 1; i < line; i++) {
		const struct event *access = stretch_event(stretch, i);

		over = stretch->met[i - stretch->first];
		if (access->kind != EVENT_ACCESS || !touches(stretch, access, changed) ||
		    access->u.access.vcpu >= stretch->replay->cpu_count ||
		    ((missing & stretch->replay->bits->dirty) && only_reads(access)))
			continue;
		if (faults_of(stretch, i, true, &over) == 0 && !over && run(stretch, access)) {
			stretch->met[i - stretch->first] = true;
			return;
		}
	}
}

static void before_change(struct stretch *stretch, size_t line, bool zapped)
{
	const struct event *changed = stretch_event(stretch, line);
	struct replay *replay = stretch->replay;
	uint64_t old, now, missing;
	struct entry_step step;

	if (!step_of(stretch, changed, &step) || !spte_is_leaf(step.old_spte, step.level))
		return;
	old = step.old_spte;
	now = mapping_entry(replay, step.as_id, step.gfn, step.level);
	missing = old & ~now & (replay->bits->dirty | replay->bits->accessed);
	for (unsigned int v = 0; v < replay->cpu_count; v++) {
		struct running *running = &stretch->running[v];

		if (!running->access || running->faults_left ||
		    !touches(stretch, running->access, changed))
			continue;
		running->maybe_done |= leaves_no_mark(replay, running->access, now);
		if ((missing || zapped) &&
		    (only_reads(running->access) || (old & replay->bits->dirty)))
			complete(stretch, v);
	}
	missing = old & ~mapping_entry(replay, step.as_id, step.gfn, step.level) &
		  (replay->bits->dirty | replay->bits->accessed);
	if (missing)
		run_early(stretch, line, missing);
}

static bool is_step(const struct stretch *stretch, size_t i)
{
	size_t owner = stretch->owner[i - stretch->first];

	return owner && stretch->groups[owner - 1].kind == GROUP_STEP;
}

void running_before_group(struct stretch *stretch, const struct group *group)
{
	for (size_t i = group->first; i <= group->last; i++) {
		const struct event *event = stretch_event(stretch, i);

		if (event->task != group->task || event->kind != EVENT_SPTE_CHANGED)
			continue;
		before_change(stretch, i, group->kind == GROUP_HOST);
		if (is_step(stretch, i))
			break;
	}
}

void running_before_step(struct stretch *stretch, const struct group *step)
{
	before_change(stretch, step->first, true);
}
