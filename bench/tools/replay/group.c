#include "group.h"

#include "kernel.h"

#include <errno.h>
#include <stdlib.h>

/* The groups that a task is in: index + 1, or 0. */
struct open_groups {
	size_t fault, host;
	bool call; /* host is a call: only its result ends it */
};

static size_t open_group(struct stretch *stretch, enum group_kind kind, size_t i)
{
	struct group *group = &stretch->groups[stretch->group_count++];

	*group = (struct group){.kind = kind,
				.first = i,
				.last = i,
				.place = i,
				.task = stretch_event(stretch, i)->task};
	stretch->owner[i - stretch->first] = stretch->group_count;
	return stretch->group_count;
}

/* Whichever fault comes first links the tables: what a fault did itself is what it mapped. */
static bool maps(const struct event *event)
{
	return event->kind == EVENT_FAST_PAGE_FAULT ||
	       (event->kind == EVENT_SPTE_CHANGED &&
		(!spte_is_present(event->u.changed.new_spte) ||
		 spte_is_leaf(event->u.changed.new_spte, event->u.changed.level)));
}

static void place(struct stretch *stretch, size_t group, size_t i)
{
	struct group *g = &stretch->groups[group - 1];

	stretch->owner[i - stretch->first] = group;
	g->changed |= maps(stretch_event(stretch, i));
	g->slow |= stretch_event(stretch, i)->kind == EVENT_SPTE_CHANGED;
	g->last = i;
	if (!g->placed)
		g->place = i;
	g->placed = true;
}

/* A call that changes a slot lets faults in between the changes of its entries. */
static void place_call(struct stretch *stretch, size_t group, size_t i)
{
	place(stretch, group, i);
	if (stretch_event(stretch, i)->kind == EVENT_SPTE_CHANGED &&
	    stretch_event(stretch, stretch->groups[group - 1].first)->kind == EVENT_REGION)
		open_group(stretch, GROUP_STEP, i);
}

static void close_fault(struct stretch *stretch, struct open_groups *open, size_t i)
{
	struct group *fault = &stretch->groups[open->fault - 1];
	enum tdp_baseline baseline = replay_baseline(stretch->replay);
	int64_t result = stretch_event(stretch, i)->u.ret.value;

	fault->changed |= fault->placed && result == kernel_fixed(baseline);
	fault->changed &= result != kernel_retry(baseline);
	fault->last = i;
	if (!fault->placed)
		place(stretch, open->fault, i);
	open->fault = open->host = 0;
}

/* Any other event of the task ends its unmap; a marker also ends its call or its fault. */
static void other_event(struct stretch *stretch, struct open_groups *open, size_t i)
{
	bool marker = event_is_marker(stretch_event(stretch, i));

	if (open->host && open->call)
		stretch->groups[open->host - 1].last = i;
	if (!open->call || marker)
		open->host = 0;
	if (open->fault)
		stretch->groups[open->fault - 1].last = i;
	if (marker)
		open->fault = 0;
}

static void open_host(struct stretch *stretch, struct open_groups *open, size_t i)
{
	open->host = open_group(stretch, GROUP_HOST, i);
	open->call = stretch_event(stretch, i)->kind != EVENT_UNMAP;
}

static void group_event(struct stretch *stretch, struct open_groups *open, size_t i)
{
	const struct event *event = stretch_event(stretch, i);

	switch (event->kind) {
	case EVENT_PAGE_FAULT:
	case EVENT_MISCONFIG:
		open->fault = open_group(stretch, GROUP_FAULT, i);
		open->host = 0;
		break;
	case EVENT_UNMAP:
	case EVENT_REGION:
	case EVENT_GET_LOG:
	case EVENT_CLEAR_LOG:
		open_host(stretch, open, i);
		break;
	case EVENT_SPTE_CHANGED:
	case EVENT_ZAP_ALL_FAST:
		if (open->host)
			place_call(stretch, open->host, i);
		else if (open->fault)
			place(stretch, open->fault, i);
		break;
	case EVENT_FAST_PAGE_FAULT:
		if (open->fault && event->u.fast.fixed)
			place(stretch, open->fault, i);
		break;
	case EVENT_RETURN:
		if (open->fault)
			close_fault(stretch, open, i);
		break;
	case EVENT_FLUSH:
	case EVENT_ZAP_PAGE:
		break;
	default:
		other_event(stretch, open, i);
	}
}

static size_t tasks_of(const struct stretch *stretch)
{
	size_t tasks = 0;

	for (size_t i = stretch->first; i < stretch->end; i++) {
		if (stretch_event(stretch, i)->task >= tasks)
			tasks = stretch_event(stretch, i)->task + 1;
	}
	return tasks;
}

static bool is_outside_slots(const struct stretch *stretch, const struct event *event)
{
	return event->kind == EVENT_UNMAP &&
	       !slots_hit(&stretch->replay->slots, event->u.range.start, event->u.range.end);
}

int group_events(struct stretch *stretch)
{
	struct open_groups *open = calloc(tasks_of(stretch) + 1, sizeof(*open));

	if (!open)
		return -ENOMEM;
	for (size_t i = stretch->first; i < stretch->end; i++) {
		if (!is_outside_slots(stretch, stretch_event(stretch, i)))
			group_event(stretch, &open[stretch_event(stretch, i)->task], i);
	}
	free(open);
	return 0;
}
