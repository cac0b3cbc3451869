/* Searches for schedules that break a rule. See search.h. */
#include "platform/virtual/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "platform/check.h"
#include "platform/virtual/engine.h"

#define FIRST_ROOM 1024
#define NOBODY	   SCHEDULE_NOBODY

/* Makes room for one more element in an array that doubles; false if there is no memory. */
static bool reserve(void **array, size_t *room, size_t count, size_t size)
{
	size_t wanted = *room ? *room : FIRST_ROOM;
	void *larger;

	while (wanted < count)
		wanted *= 2;
	if (wanted == *room)
		return true;
	larger = realloc(*array, wanted * size);
	if (!larger)
		return false;
	memset((char *)larger + *room * size, 0, (wanted - *room) * size);
	*array = larger;
	*room = wanted;
	return true;
}

/* Lines: which events conflict in the present run */

/* SplitMix64's last steps. */
static size_t hash(uintptr_t line)
{
	uint64_t value = line * 0x9e3779b97f4a7c15;

	return (size_t)(value ^ value >> 32);
}

/* The line's slot, or the free slot where it would be. */
static struct search_line *line_at(const struct schedule_search *search, uintptr_t line)
{
	size_t mask = search->lines_room - 1;

	for (size_t i = hash(line) & mask;; i = (i + 1) & mask) {
		struct search_line *at = &search->lines[i];

		if (at->run != search->run || at->line == line)
			return at;
	}
}

static bool lines_grow(struct schedule_search *search)
{
	struct search_line *old = search->lines;
	size_t old_room = search->lines_room;

	search->lines = calloc(2 * old_room, sizeof(*search->lines));
	if (!search->lines) {
		search->lines = old;
		return false;
	}
	search->lines_room = 2 * old_room;
	for (size_t i = 0; i < old_room; i++)
		if (old[i].run == search->run)
			*line_at(search, old[i].line) = old[i];
	free(old);
	return true;
}

static struct search_line *line_of(struct schedule_search *search, uintptr_t line)
{
	struct search_line *at;

	if (2 * search->lines_used >= search->lines_room && !lines_grow(search)) {
		search->failed = true;
		return NULL;
	}
	at = line_at(search, line);
	if (at->run != search->run) {
		*at = (struct search_line){.line = line, .run = search->run};
		search->lines_used++;
	}
	return at;
}

static void join(struct search_clock *clock, const struct search_clock *other)
{
	for (unsigned int i = 0; i < SEARCH_ACTORS; i++)
		if (clock->before[i] < other->before[i])
			clock->before[i] = other->before[i];
}

/* If an earlier access conflicts with one whose predecessors `clock` counts, its decision matters.
 */
static void meet(struct schedule_search *search, const struct search_clock *clock,
		 unsigned int actor, const struct search_access *earlier)
{
	if (earlier->number > clock->before[actor] && earlier->decision)
		search->decisions[earlier->decision - 1].matters = true;
}

static void touch_line(struct schedule_search *search, uintptr_t line, unsigned int actor,
		       bool writes, struct search_access access)
{
	struct search_clock *clock = &search->clocks[actor];
	struct search_line *at = line_of(search, line);

	if (!at)
		return;
	meet(search, clock, at->writer, &at->write);
	for (unsigned int i = 0; writes && i < SEARCH_ACTORS; i++)
		meet(search, clock, i, &at->reads[i]);
	/* All of the actor's own accesses precede this one. */
	if (!writes) {
		at->reads[actor] = access;
		return;
	}
	memset(at->reads, 0, sizeof(at->reads));
	at->writer = actor;
	at->write = access;
}

/* Orders the event after those that it conflicts with, and stores it for later ones. */
static void order_line(struct schedule_search *search, uintptr_t line, unsigned int actor,
		       bool writes)
{
	struct search_clock *clock = &search->clocks[actor];
	struct search_line *at = line_of(search, line);

	if (!at)
		return;
	join(clock, &at->written);
	if (writes) {
		join(clock, &at->read);
		at->written = *clock;
	}
	join(&at->read, clock);
}

/* Events */

static struct search_event event_of(const struct schedule *schedule)
{
	struct search_event event = {
		.line = (uintptr_t)schedule->address / ENGINE_LINE_BYTES,
		.lines = schedule->address ? 1 : 0,
		.writes = schedule->kind != ENGINE_READ,
	};

	if (event.lines && schedule->kind == ENGINE_LINES)
		event.lines = schedule->ticks;
	return event;
}

static struct search_event *pending_of(struct schedule_search *search, size_t actor)
{
	if (actor >= search->actors && !reserve((void **)&search->pending, &search->actors,
						actor + 1, sizeof(*search->pending)))
		search->failed = true;
	return actor < search->actors ? &search->pending[actor] : NULL;
}

/* The chosen actor makes its event; the event after it is not known yet. */
static void make_event(struct schedule_search *search, size_t actor, size_t decision)
{
	struct search_event *pending = pending_of(search, actor);
	struct search_access access;

	if (!pending || !pending->lines)
		return;
	if (actor < SEARCH_ACTORS) {
		access.number = ++search->clocks[actor].before[actor];
		access.decision = (uint32_t)decision;
		for (size_t i = 0; i < pending->lines; i++)
			touch_line(search, pending->line + i, (unsigned int)actor, pending->writes,
				   access);
		for (size_t i = 0; i < pending->lines; i++)
			order_line(search, pending->line + i, (unsigned int)actor, pending->writes);
	}
	pending->lines = 0;
}

/* Decisions */

/* The default when the acting actor cannot continue: the next one in the order of indices. */
static size_t default_of(const struct schedule *schedule, const size_t *ready, size_t count,
			 size_t acting)
{
	if (acting != NOBODY)
		return acting;
	for (size_t i = 0; i < count && schedule->steps; i++)
		if (ready[i] > schedule->last)
			return ready[i];
	return ready[0];
}

/* Number 0 is the default; the other actors follow in their order. */
static size_t numbered(const size_t *ready, size_t count, size_t first, size_t number)
{
	if (!number)
		return first;
	for (size_t i = 0; i < count; i++)
		if (ready[i] != first && !--number)
			return ready[i];
	return first;
}

static struct search_decision *next_decision(struct schedule_search *search, size_t count,
					     size_t acting)
{
	struct search_decision *decision;

	if (!reserve((void **)&search->decisions, &search->room, search->at + 1,
		     sizeof(*search->decisions))) {
		search->failed = true;
		return NULL;
	}
	decision = &search->decisions[search->at];
	if (search->at++ == search->count) {
		search->count++;
		*decision = (struct search_decision){
			.count = (uint32_t)count,
			.preemptions = search->preemptions,
			.preempts = acting != NOBODY,
			.matters = acting == NOBODY || search->all || search->many,
		};
	}
	/* The same decisions must lead to the same choices, or a run cannot be repeated. */
	CHECK(decision->count == count && decision->preempts == (acting != NOBODY));
	return decision;
}

/* *number is the decision's number plus one; 0 if there was no choice. */
static size_t decide(struct schedule_search *search, const size_t *ready, size_t count,
		     size_t acting, size_t *number)
{
	size_t first = default_of(&search->schedule, ready, count, acting);
	struct search_decision *decision;
	bool paused = search->paused;

	*number = 0;
	search->paused = false;
	if (count == 1 || paused)
		return first;
	decision = next_decision(search, count, acting);
	if (!decision)
		return first;
	*number = search->at;
	if (decision->taken && decision->preempts)
		search->preemptions++;
	return numbered(ready, count, first, decision->taken);
}

static size_t search_choose(struct schedule *schedule, const size_t *ready, size_t count,
			    size_t acting)
{
	struct schedule_search *search = (struct schedule_search *)schedule;
	size_t chosen, decision;

	if (ready[count - 1] >= SEARCH_ACTORS)
		search->many = true;
	if (acting != NOBODY) {
		struct search_event *pending = pending_of(search, acting);

		if (!pending)
			return acting;
		*pending = event_of(schedule);
	}
	chosen = decide(search, ready, count, acting, &decision);
	make_event(search, chosen, decision);
	return chosen;
}

static void search_gave_way(struct schedule *schedule, size_t actor)
{
	(void)actor;
	((struct schedule_search *)schedule)->paused = true;
}

/* Runs */

static void begin_run(struct schedule_search *search)
{
	search->at = 0;
	search->preemptions = 0;
	search->paused = false;
	search->run++;
	search->lines_used = 0;
	memset(search->clocks, 0, sizeof(search->clocks));
	for (size_t i = 0; i < search->actors; i++)
		search->pending[i].lines = 0;
}

int schedule_search_init(struct schedule_search *search, unsigned int preemptions_most, bool all)
{
	*search = (struct schedule_search){
		.schedule = {.choose = search_choose, .gave_way = search_gave_way},
		.preemptions_most = preemptions_most,
		.all = all,
		.lines_room = FIRST_ROOM,
	};
	search->lines = calloc(search->lines_room, sizeof(*search->lines));
	if (!search->lines)
		return -ENOMEM;
	begin_run(search);
	return 0;
}

void schedule_search_fini(struct schedule_search *search)
{
	free(search->decisions);
	free(search->pending);
	free(search->lines);
}

static bool has_another_way(const struct schedule_search *search,
			    const struct search_decision *decision)
{
	if (decision->taken + 1 >= decision->count || !decision->matters)
		return false;
	return !decision->preempts || decision->preemptions < search->preemptions_most;
}

bool schedule_search_next(struct schedule_search *search)
{
	begin_run(search);
	while (search->count) {
		struct search_decision *last = &search->decisions[search->count - 1];

		if (has_another_way(search, last)) {
			last->taken++;
			return true;
		}
		search->count--;
	}
	return false;
}
