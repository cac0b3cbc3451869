#include "trace/ageing.h"

#include <errno.h>

#include <tdpsim/types.h>

#define PAGES_MAX 64 /* of a range that is split; DAMON ages two */

/* A range, its pages and the lines that its ageing printed. */
struct ageing {
	struct trace *trace;
	unsigned int task;
	uint64_t first; /* page number of the range's first host page */
	unsigned int pages;
	uint64_t done; /* a bit for each page that has an event of its own */
};

/* The next event of the task behind `i`, or the trace's end. */
static size_t next_of_task(const struct ageing *ageing, size_t i)
{
	const struct trace *trace = ageing->trace;

	for (i++; i < trace->count && trace->events[i].task != ageing->task; i++)
		;
	return i;
}

/* The next line of an aged entry behind `i`, or the trace's end. */
static size_t next_line(const struct ageing *ageing, size_t i)
{
	size_t next = next_of_task(ageing, i);

	if (next < ageing->trace->count && ageing->trace->events[next].kind != EVENT_SPTE_CHANGED)
		return ageing->trace->count;
	return next;
}

static bool stands_apart(const struct ageing *ageing, size_t i)
{
	size_t next;

	for (; (next = next_line(ageing, i)) < ageing->trace->count; i = next) {
		if (next != i + 1)
			return true;
	}
	return false;
}

/* The host page that `gfn` had when event `i` was printed; 0 if no slot says. */
static uint64_t host_page(const struct trace *trace, size_t i, unsigned int as_id, uint64_t gfn)
{
	while (i-- > 0) {
		const struct event *event = &trace->events[i];
		uint64_t first = event->u.region.gpa >> TDP_PAGE_SHIFT;

		if (event->kind == EVENT_REGION && event->u.region.as_id == as_id && first <= gfn &&
		    gfn - first < event->u.region.bytes >> TDP_PAGE_SHIFT)
			return (event->u.region.hva >> TDP_PAGE_SHIFT) + (gfn - first);
	}
	return 0;
}

/* The pages of the range that the entry of line `i` maps and that have no event yet. */
static uint64_t pages_of_line(const struct ageing *ageing, size_t i)
{
	const struct event *line = &ageing->trace->events[i];
	uint64_t host = host_page(ageing->trace, i, line->u.changed.as_id, line->u.changed.gfn);
	uint64_t pages = 0;

	for (unsigned int page = 0; host && page < ageing->pages; page++) {
		if (ageing->first + page - host < tdp_level_pages(line->u.changed.level))
			pages |= (uint64_t)1 << page;
	}
	return pages & ~ageing->done;
}

/* Inserts the ageing of some pages, which are neighbours, before the event at `i`. */
static int insert_pages(struct ageing *ageing, size_t i, const struct event *range, uint64_t pages)
{
	unsigned int first = (unsigned int)__builtin_ctzll(pages);
	unsigned int last = 63 - (unsigned int)__builtin_clzll(pages);
	struct event event = *range;

	event.u.range.start = (ageing->first + first) << TDP_PAGE_SHIFT;
	event.u.range.end = (ageing->first + last + 1) << TDP_PAGE_SHIFT;
	ageing->done |= pages;
	return trace_insert(ageing->trace, i, &event);
}

/* Ages the pages of each line before it. Returns the last line's place. */
static long split_lines(struct ageing *ageing, size_t i, const struct event *range)
{
	size_t next;

	while ((next = next_line(ageing, i)) < ageing->trace->count) {
		uint64_t pages = pages_of_line(ageing, next);

		if (pages) {
			if (insert_pages(ageing, next, range, pages))
				return -ENOMEM;
			i = next + 1;
		} else {
			/* The same page in another slot: it was aged with the first one. */
			trace_move(ageing->trace, next, i + 1);
			i++;
		}
	}
	return (long)i;
}

/* Replaces the range's event at `i` by those of the pages that have no line. */
static int replace_range(struct ageing *ageing, size_t i, const struct event *range, long *end)
{
	trace_remove(ageing->trace, i);
	*end -= 1;
	for (unsigned int page = 0; page < ageing->pages; page++) {
		if (ageing->done >> page & 1)
			continue;
		if (insert_pages(ageing, i, range, (uint64_t)1 << page))
			return -ENOMEM;
		*end += 1;
	}
	return 0;
}

long ageing_split(struct trace *trace, size_t i)
{
	const struct event range = trace->events[i];
	struct ageing ageing = {
		.trace = trace, .task = range.task, .first = range.u.range.start >> TDP_PAGE_SHIFT};
	uint64_t last = (range.u.range.end - 1) >> TDP_PAGE_SHIFT;
	long end;

	if (range.u.range.end <= range.u.range.start || last - ageing.first >= PAGES_MAX ||
	    !stands_apart(&ageing, i))
		return (long)i + 1;
	ageing.pages = (unsigned int)(last - ageing.first) + 1;
	end = split_lines(&ageing, i, &range);
	if (end < 0 || replace_range(&ageing, i, &range, &end))
		return -ENOMEM;
	return end + 1;
}
