#include "foreign.h"

#include "act.h"
#include "mapping.h"

#define GFN_CODE 1

/* The events from the cursor up to the next line of the VMM's thread. */
struct foreign {
	struct replay *replay;
	uint64_t hva; /* of the accessed page */
	struct tdp_entry leaf;
	size_t end;			/* of the events */
	size_t count;			/* of the acts among them */
	uint64_t accessed, flags, sets; /* the entry's flags, and which of them the access sets */
};

static const struct event *event_of(const struct foreign *foreign, size_t i)
{
	return &foreign->replay->trace->events[i];
}

static bool acts(const struct event *event)
{
	return act_recognises(event) && !event->vmm;
}

static void count_events(struct foreign *foreign)
{
	const struct replay *replay = foreign->replay;

	for (foreign->end = replay->cursor;
	     foreign->end < replay->trace->count && !event_of(foreign, foreign->end)->vmm;
	     foreign->end++)
		foreign->count += acts(event_of(foreign, foreign->end));
}

/* Is the next fault of an access that began before `i` one on this page? */
static bool faults_next(const struct foreign *foreign, size_t i, uint64_t gfn)
{
	for (; i < foreign->replay->trace->count; i++) {
		const struct event *event = event_of(foreign, i);

		if (event_is_marker(event))
			return false;
		if (event->kind == EVENT_MISCONFIG)
			return true;
		if (event->kind == EVENT_PAGE_FAULT && event->vmm)
			return event->u.page_fault.address >> TDP_PAGE_SHIFT == gfn;
	}
	return false;
}

/* Does the event age this page? The ends of a range are rounded outwards to pages. */
static bool ages(const struct foreign *foreign, const struct event *event)
{
	return event->kind == EVENT_AGE &&
	       event->u.range.start >> TDP_PAGE_SHIFT <= foreign->hva >> TDP_PAGE_SHIFT &&
	       foreign->hva >> TDP_PAGE_SHIFT <= (event->u.range.end - 1) >> TDP_PAGE_SHIFT;
}

static bool changes(const struct foreign *foreign, const struct event *event)
{
	return event->kind == EVENT_SPTE_CHANGED && event->u.changed.as_id == 0 &&
	       event->u.changed.level == (unsigned int)foreign->leaf.level &&
	       event->u.changed.gfn == foreign->leaf.gfn.n;
}

/* The line that the ageing at `i` printed of the entry, or NULL if it was not accessed. */
static const struct event *found_by(const struct foreign *foreign, size_t i)
{
	unsigned int task = event_of(foreign, i)->task;

	for (i++; i < foreign->replay->trace->count; i++) {
		const struct event *event = event_of(foreign, i);

		if (event->task == task && changes(foreign, event))
			return event;
		if (event->task == task && event->kind != EVENT_SPTE_CHANGED)
			break;
	}
	return NULL;
}

static bool touches(const struct event *access, uint64_t gfn)
{
	return gfn == GFN_CODE || access->u.access.gpa >> TDP_PAGE_SHIFT == gfn;
}

/*
 * What the accessed flag may be, and whether an access that began is still to come: a set
 * of the states that fit all events so far.
 */
enum { CLEAR = 1, SET = 2, CLEAR_BEFORE = 4, SET_BEFORE = 8, BEFORE = CLEAR_BEFORE | SET_BEFORE };

/* The access may come at any moment. */
static unsigned int or_come(unsigned int states)
{
	return states & BEFORE ? states | SET : states;
}

/* The access has come by now. */
static unsigned int has_come(unsigned int states)
{
	return states & BEFORE ? (states & ~(unsigned int)BEFORE) | SET : states;
}

static unsigned int found(unsigned int states, bool set)
{
	return states & (set ? SET | SET_BEFORE : CLEAR | CLEAR_BEFORE);
}

static unsigned int begins(unsigned int states)
{
	return (states & CLEAR ? CLEAR_BEFORE : 0) | (states & SET ? SET_BEFORE : 0);
}

static unsigned int aged(unsigned int states)
{
	return (states & (CLEAR | SET) ? CLEAR : 0) | (states & BEFORE ? CLEAR_BEFORE : 0);
}

/* A fault on the page, or of the code again: the flag cannot be followed any further. */
static bool leaves_open(const struct event *event, uint64_t gfn)
{
	return event->kind == EVENT_MISCONFIG ||
	       (event->kind == EVENT_PAGE_FAULT &&
		(gfn == GFN_CODE || event->u.page_fault.address >> TDP_PAGE_SHIFT == gfn));
}

/*
 * A fault on the page: the access that began did not come, and where the fast path was
 * tried its line shows the flag.
 */
static bool fault_finds(const struct foreign *foreign, size_t i, unsigned int states)
{
	bool clear = states & (CLEAR | CLEAR_BEFORE), set = states & (SET | SET_BEFORE);

	for (; i < foreign->replay->trace->count; i++) {
		const struct event *event = event_of(foreign, i);

		if (event->kind == EVENT_FAST_PAGE_FAULT)
			return event->u.fast.old_spte & foreign->accessed ? set : clear;
		if (event->kind == EVENT_RETURN || event->kind == EVENT_SPTE_REQUESTED)
			break;
	}
	return true;
}

/* If the acts leave the flag so, does everything fit that later events show of it? */
static bool explains(const struct foreign *foreign, uint64_t gfn, bool set)
{
	unsigned int states = set ? SET : CLEAR;

	for (size_t i = foreign->end; i < foreign->replay->trace->count && states; i++) {
		const struct event *event = event_of(foreign, i);

		if (leaves_open(event, gfn))
			return gfn == GFN_CODE || fault_finds(foreign, i, states);
		states = event->vmm ? has_come(states) : or_come(states);
		if (event->kind == EVENT_ACCESS && touches(event, gfn) &&
		    !faults_next(foreign, i + 1, gfn))
			states = begins(states);
		else if (ages(foreign, event))
			states = aged(found(states, found_by(foreign, i) != NULL));
		else if (changes(foreign, event) && event->vmm)
			return found(states, event->u.changed.old_spte & foreign->accessed);
	}
	return states;
}

/* Does all that is printed fit if the access takes place behind the first `before` acts? */
static bool fits(const struct foreign *foreign, uint64_t gfn, size_t before)
{
	uint64_t now = foreign->leaf.value & foreign->flags;
	size_t met = 0;

	for (size_t i = foreign->replay->cursor; i < foreign->end; i++) {
		const struct event *event = event_of(foreign, i), *listed;

		if (!acts(event))
			continue;
		now |= met++ == before ? foreign->sets : 0;
		if (!ages(foreign, event))
			continue;
		listed = found_by(foreign, i);
		if ((listed != NULL) != ((now & foreign->accessed) != 0) ||
		    (listed && (listed->u.changed.old_spte & foreign->flags) != now))
			return false;
		now &= ~foreign->accessed;
	}
	now |= met == before ? foreign->sets : 0;
	return explains(foreign, gfn, now & foreign->accessed);
}

size_t foreign_before(struct replay *replay, unsigned int as_id, const struct step *step)
{
	struct foreign foreign = {.replay = replay};
	const struct event *event = replay_peek(replay);
	const struct slot *slot = slots_find(&replay->slots, as_id, step->address);
	uint64_t gfn;
	size_t usual;

	if (!event || !acts(event))
		return 0;
	count_events(&foreign);
	gfn = step->address >> TDP_PAGE_SHIFT;
	usual = faults_next(&foreign, foreign.end, gfn) ? foreign.count : 0;
	if (usual || as_id || !slot || !replay->settings.value[SETTING_AD] ||
	    !mapping_leaf(replay, as_id, step->address, &foreign.leaf))
		return usual;
	foreign.accessed = replay->bits->accessed;
	foreign.flags = foreign.accessed | replay->bits->dirty;
	foreign.sets = step->access == TDP_WRITE ? foreign.flags : foreign.accessed;
	foreign.hva = slot->hva + (step->address - slot->gpa);
	for (size_t before = 0; before <= foreign.count; before++) {
		if (fits(&foreign, gfn, before))
			return before;
	}
	return usual;
}
