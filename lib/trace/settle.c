/*
 * What other tasks (kdamond, khugepaged, the NX recovery worker) did while a vCPU was in
 * a fault, or the VMM in a call, is moved to a moment at which a replay that does one
 * thing after the other can do it.
 *
 * The kernel prints kvm_age_hva and kvm_unmap_hva_range before it takes mmu_lock, and the
 * return of a fault after it has released it. So lines of two tasks can stand between each
 * other although one task waited for the other.
 *
 * - The line of a range moves down to the first change that it made.
 * - What stands inside a fault that holds mmu_lock (from kvm_mmu_spte_requested on), or has
 *   just released it, came after the fault. What stands before that line stays: it took
 *   place while the host looked for the page.
 * - What stands in front of a fast page fault came before the fault: it took no lock.
 * - Likewise for what stands inside a call, before and behind the call's first act.
 */
#include "trace/settle.h"

#include "trace/ageing.h"

static bool is_foreign(const struct event *event)
{
	return !event->vmm;
}

/* False if the line already stands where it should. */
static bool settle_range(struct trace *trace, size_t i)
{
	size_t next = i + 1;

	while (next < trace->count && trace->events[next].task != trace->events[i].task)
		next++;
	if (next == i + 1 || next == trace->count || trace->events[next].kind != EVENT_SPTE_CHANGED)
		return false;
	trace_move(trace, i, next - 1);
	return true;
}

/*
 * Moves the lines of an unmap or of a round of NX recovery up behind its first ones. They
 * were printed under mmu_lock; a marker in between comes from a thread that then waits for
 * the lock.
 */
static void gather(struct trace *trace, size_t i)
{
	unsigned int task = trace->events[i].task;
	size_t behind = i + 1;

	for (size_t next = i + 1; next < trace->count; next++) {
		const struct event *event = &trace->events[next];
		enum event_kind kind = event->kind;

		if (event->task != task)
			continue;
		if (!event_is_output(event) && kind != EVENT_NX_RECOVERY)
			break;
		trace_move(trace, next, behind++);
		if (kind == EVENT_FLUSH)
			break;
	}
}

static bool is_call(const struct event *event)
{
	return event->kind == EVENT_REGION || event->kind == EVENT_GET_LOG ||
	       event->kind == EVENT_CLEAR_LOG;
}

/* The result of the call at `i`, or the trace's end. */
static size_t end_of_call(const struct trace *trace, size_t i)
{
	unsigned int task = trace->events[i].task;

	for (i++; i < trace->count; i++) {
		if (trace->events[i].task == task && event_is_marker(&trace->events[i]))
			return i;
	}
	return trace->count;
}

/* The event behind `i` at which the task's fault ends, or the trace's end. */
static size_t end_of_fault(const struct trace *trace, size_t i)
{
	unsigned int task = trace->events[i].task;

	for (i++; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if (event->task != task)
			continue;
		if (event->kind == EVENT_RETURN)
			return i;
		if (event->kind == EVENT_PAGE_FAULT || event_is_marker(event))
			break;
	}
	return trace->count;
}

/* The first thing that the MMU does in the fault or call, or `end`. */
static size_t first_act(const struct trace *trace, size_t first, size_t end)
{
	for (size_t i = first + 1; i < end; i++) {
		if (trace->events[i].task == trace->events[first].task &&
		    event_is_output(&trace->events[i]))
			return i;
	}
	return end;
}

static void settle(struct trace *trace, size_t first)
{
	struct event *events = trace->events;
	bool call = is_call(&events[first]);
	size_t end = call ? end_of_call(trace, first) : end_of_fault(trace, first), act;

	if (end == trace->count)
		return;
	act = first_act(trace, first, end);
	for (size_t i = end; i-- > act + 1;) {
		if (is_foreign(&events[i]))
			trace_move(trace, i, end--);
	}
	if (!call && events[act].kind != EVENT_FAST_PAGE_FAULT)
		return;
	for (size_t i = first + 1; i < act; i++) {
		if (is_foreign(&events[i]))
			trace_move(trace, i, first++);
	}
}

static bool runs_in_parallel(const struct trace *trace)
{
	for (size_t i = 0; i < trace->count; i++) {
		if (trace->events[i].kind == EVENT_PHASE &&
		    trace->events[i].u.phase.kind == PHASE_PARALLEL)
			return true;
	}
	return false;
}

/* Puts the lines of an act of another task together. Returns what is looked at next. */
static long settle_act(struct trace *trace, size_t i)
{
	enum event_kind kind = trace->events[i].kind;

	if (kind == EVENT_AGE) {
		long next = ageing_split(trace, i);

		/* One that was split has moved on. */
		return next == (long)i + 1 && settle_range(trace, i) ? (long)i : next;
	}
	/* Look at the same place again after a move: another event stands there now. */
	if (kind == EVENT_UNMAP && settle_range(trace, i))
		return (long)i;
	if (kind == EVENT_UNMAP || kind == EVENT_NX_RECOVERY)
		gather(trace, i);
	return (long)i + 1;
}

int settle_trace(struct trace *trace)
{
	if (runs_in_parallel(trace))
		return 0;
	for (size_t i = 0; i < trace->count;) {
		long next = is_foreign(&trace->events[i]) ? settle_act(trace, i) : (long)i + 1;

		if (next < 0)
			return (int)next;
		i = (size_t)next;
	}
	for (size_t i = 0; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if ((event->kind == EVENT_PAGE_FAULT || is_call(event)) && !is_foreign(event))
			settle(trace, i);
	}
	return 0;
}
