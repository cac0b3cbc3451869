/*
 * Tracepoints
 *
 * An event goes to the VM's sink, on the thread and under the locks where it happens, and
 * into the calling vCPU's ring; a VM may have neither. Without them an event costs one
 * well-predicted branch:
 *
 *	if (tracing(&vm->tracer, &vcpu->ring))
 *		trace_emit(&vm->tracer, &vcpu->ring, &(struct tdp_trace_event){ ... });
 *
 * Promises
 *   T1  A ring is drained in the order in which its events were put in, and their
 *       times never go backwards.
 *   T2  Draining several rings merges them by time, then by the rings' numbers, so that
 *       the same run gives the same merge.
 *   T3  A full ring overwrites its oldest events and counts them.
 *
 * Relies on
 *   R1  One actor at a time writes a ring, and none does while it is drained. Callers
 *       that share a ring use a shared_ring, which has a lock.
 */
#ifndef TDPSIM_OBSERVE_TRACEPOINT_H
#define TDPSIM_OBSERVE_TRACEPOINT_H

#include <tdpsim/trace.h>

#include "platform/lock.h"

/* Immutable once the VM runs. */
struct tracer {
	tdp_trace_sink sink; /* may be NULL */
	void *context;
};

struct trace_ring {
	struct tdp_trace_event *events; /* borrowed; NULL: the ring keeps no events */
	uint64_t mask;			/* number of events minus one */
	uint64_t written;		/* since the last drain, overwritten ones included */
	uint64_t drained;		/* of these; used only while the ring is drained */
	uint64_t last_time;
	unsigned int number;
};

/*
 * Zeroed memory is a ring that keeps nothing. `events` has room for `count`
 * events, a power of two, and stays the caller's; `number` decides between
 * events of the same nanosecond in different rings.
 */
void trace_ring_init(struct trace_ring *ring, unsigned int number, struct tdp_trace_event *events,
		     size_t count);

/* For callers that are no vCPU. Zeroed memory is a valid initial state, too. */
struct shared_ring {
	struct spinlock lock;
	struct trace_ring ring;
};

/* `ring` may be NULL here and below. */
static inline bool tracing(const struct tracer *tracer, const struct trace_ring *ring)
{
	return __builtin_expect((tracer->sink != NULL) | (ring && ring->events), 0);
}

/* Stores the time in the event, puts it into the ring and passes it to the sink. */
void trace_emit(const struct tracer *tracer, struct trace_ring *ring,
		struct tdp_trace_event *event);
void trace_emit_shared(const struct tracer *tracer, struct shared_ring *shared,
		       struct tdp_trace_event *event);

/*
 * Passes all events in the `count` rings to `sink` (NULL: drops them), oldest first, and
 * empties the rings. Reorders the array. Returns how many events had been overwritten.
 */
uint64_t trace_rings_drain(struct trace_ring **rings, size_t count, tdp_trace_sink sink,
			   void *context);

#endif
