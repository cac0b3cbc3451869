/* The search for schedules that break a rule. See search.h. */
#include "platform/virtual/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "platform/check.h"
#include "platform/virtual/engine.h"

#define FIRST_ROOM 1024
#define NOBODY	   SCHEDULE_NOBODY

/* Room for one more in an array that doubles; false if there is no memory. */
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

/* Lines: who met whom in the present run */

/* SplitMix64's last steps. */
static size_t hash(uintptr_t line)
{
	uint64_t value = line * 0x9e3779b97f4a7c15;

	return (size_t)(value ^ value >> 32);
}

/* The line's place, or the free one where it would be. */
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

static void note_access(size_t actor, size_t *first, bool *more)
{
	if (*first == NOBODY)
		*first = actor;
	else if (*first != actor)
		*more = true;
}

static void note_line(struct schedule_search *search, uintptr_t line, size_t actor, bool writes)
{
	struct search_line *at;

	if (2 * search->lines_used >= search->lines_room && !lines_grow(search)) {
		search->failed = true;
		return;
	}
	at = line_at(search, line);
	if (at->run != search->run) {
		*at = (struct search_line){line, search->run, NOBODY, NOBODY, false, false};
		search->lines_used++;
	}
	if (writes)
		note_access(actor, &at->writer, &at->writers);
	else
		note_access(actor, &at->reader, &at->readers);
}

static bool another(size_t actor, size_t first, bool more)
{
	return more || (first != NOBODY && first != actor);
}

static bool meets_another(const struct schedule_search *search, size_t actor,
			  const struct search_event *event)
{
	for (size_t i = 0; i < event->lines; i++) {
		const struct search_line *at = line_at(search, event->line + i);

		if (at->run != search->run)
			continue; /* the run ended before it was made */
		if (another(actor, at->writer, at->writers) ||
		    (event->writes && another(actor, at->reader, at->readers)))
			return true;
	}
	return false;
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

/* The chosen one makes its event; after it comes one that is not known yet. */
static void make_event(struct schedule_search *search, size_t actor)
{
	struct search_event *pending = pending_of(search, actor);

	for (size_t i = 0; pending && i < pending->lines; i++)
		note_line(search, pending->line + i, actor, pending->writes);
	if (pending)
		pending->lines = 0;
}

/* Decisions */

/* Where nobody goes on by himself: whoever comes after the one before. */
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

/* The default is number 0, the others follow in their order. */
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
			.matters = acting == NOBODY || search->all,
			.actor = acting,
		};
	}
	/* The same decisions lead to the same questions, or a run is not repeatable. */
	CHECK(decision->count == count && decision->preempts == (acting != NOBODY));
	return decision;
}

static size_t decide(struct schedule_search *search, const size_t *ready, size_t count,
		     size_t acting)
{
	size_t first = default_of(&search->schedule, ready, count, acting);
	struct search_decision *decision;
	bool paused = search->paused;

	search->paused = false;
	if (count == 1 || paused)
		return first;
	decision = next_decision(search, count, acting);
	if (!decision)
		return first;
	/* Addresses are this run's own. */
	if (acting != NOBODY)
		decision->event = *pending_of(search, acting);
	if (decision->taken && decision->preempts)
		search->preemptions++;
	return numbered(ready, count, first, decision->taken);
}

static size_t search_choose(struct schedule *schedule, const size_t *ready, size_t count,
			    size_t acting)
{
	struct schedule_search *search = (struct schedule_search *)schedule;
	size_t chosen;

	if (acting != NOBODY) {
		struct search_event *pending = pending_of(search, acting);

		if (!pending)
			return acting;
		*pending = event_of(schedule);
	}
	chosen = decide(search, ready, count, acting);
	make_event(search, chosen);
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

/* Under which decisions of the run that has ended a switch would have been seen. */
static void weigh(struct schedule_search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		struct search_decision *decision = &search->decisions[i];

		if (!decision->matters)
			decision->matters =
				meets_another(search, decision->actor, &decision->event);
	}
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
	if (!search->all)
		weigh(search);
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
