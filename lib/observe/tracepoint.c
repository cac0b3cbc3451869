/*
 * Rings of events, and their merge: a heap of rings, ordered by each ring's next event.
 */
#include "observe/tracepoint.h"

#include "platform/check.h"
#include "platform/clock.h"

void trace_ring_init(struct trace_ring *ring, unsigned int number, struct tdp_trace_event *events,
		     size_t count)
{
	CHECK(!events || (count && (count & (count - 1)) == 0));
	*ring = (struct trace_ring){.events = events, .mask = count - 1, .number = number};
}

static void ring_put(struct trace_ring *ring, struct tdp_trace_event *event)
{
	/* T1: the clocks of two CPUs may differ by a few nanoseconds. */
	if (event->time < ring->last_time)
		event->time = ring->last_time;
	ring->last_time = event->time;
	ring->events[ring->written++ & ring->mask] = *event;
}

void trace_emit(const struct tracer *tracer, struct trace_ring *ring, struct tdp_trace_event *event)
{
	event->time = clock_now();
	if (ring && ring->events)
		ring_put(ring, event);
	if (tracer->sink)
		tracer->sink(tracer->context, event);
}

void trace_emit_shared(const struct tracer *tracer, struct shared_ring *shared,
		       struct tdp_trace_event *event)
{
	event->time = clock_now();
	if (shared->ring.events) {
		spinlock_lock(&shared->lock);
		ring_put(&shared->ring, event);
		spinlock_unlock(&shared->lock);
	}
	if (tracer->sink)
		tracer->sink(tracer->context, event);
}

static const struct tdp_trace_event *ring_next(const struct trace_ring *ring)
{
	return &ring->events[ring->drained & ring->mask];
}

static bool ring_goes_first(const struct trace_ring *a, const struct trace_ring *b)
{
	uint64_t time_a = ring_next(a)->time, time_b = ring_next(b)->time;

	return time_a != time_b ? time_a < time_b : a->number < b->number;
}

/* Moves heap[at] down until no ring below it has an earlier event. */
static void heap_sink(struct trace_ring **heap, size_t count, size_t at)
{
	for (;;) {
		size_t first = at;

		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
			if (ring_goes_first(heap[child], heap[first]))
				first = child;
		if (first == at)
			return;

		struct trace_ring *ring = heap[at];

		heap[at] = heap[first];
		heap[first] = ring;
		at = first;
	}
}

/* Moves `drained` past the events that were overwritten; returns how many were. */
static uint64_t ring_open(struct trace_ring *ring)
{
	uint64_t capacity = ring->mask + 1;

	ring->drained = ring->written > capacity ? ring->written - capacity : 0;
	return ring->drained;
}

static void ring_empty(struct trace_ring *ring)
{
	ring->written = 0;
	ring->drained = 0;
}

static size_t heap_build(struct trace_ring **rings, size_t count, uint64_t *lost)
{
	size_t filled = 0;

	for (size_t i = 0; i < count; i++) {
		if (!rings[i]->events || !rings[i]->written)
			continue;
		*lost += ring_open(rings[i]);
		rings[filled++] = rings[i];
	}
	for (size_t i = filled / 2; i-- > 0;)
		heap_sink(rings, filled, i);
	return filled;
}

uint64_t trace_rings_drain(struct trace_ring **rings, size_t count, tdp_trace_sink sink,
			   void *context)
{
	uint64_t lost = 0;
	size_t left = heap_build(rings, count, &lost);

	while (left) {
		struct trace_ring *ring = rings[0];

		if (sink)
			sink(context, ring_next(ring));
		if (++ring->drained == ring->written) {
			ring_empty(ring);
			rings[0] = rings[--left];
		}
		heap_sink(rings, left, 0);
	}
	return lost;
}
