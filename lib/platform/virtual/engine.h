/*
 * The virtual engine's inline half: actors are fibers on one thread of the host,
 * and time is counted in ticks, one for each event: a shared access, a line of a
 * bulk access, a wait, a wake, a charge.
 *
 * The acting actor's clock lies here while it runs. Before an event takes place
 * its time is spent; should that bring the clock to `deadline`, another actor is
 * due first, and the event takes place when this one has its turn again. So all
 * events take place in the order of their actors' clocks, and nowhere else does
 * one actor meet another.
 *
 * Outside of a run nobody else is ever due and the clock simply advances.
 */
#ifndef TDPSIM_PLATFORM_VIRTUAL_ENGINE_H
#define TDPSIM_PLATFORM_VIRTUAL_ENGINE_H

#include <stddef.h>
#include <stdint.h>

enum engine_kind {
	ENGINE_READ,
	ENGINE_WRITE,
	ENGINE_UPDATE, /* a read-modify-write, or a store that needs the line at once */

	/* The engine's own. */
	ENGINE_LINES,
	ENGINE_CHARGE,
	ENGINE_WAIT,
	ENGINE_WAKE,
	ENGINE_PAUSE,
	ENGINE_KINDS,
};

/* Nobody gets on while another looks: a waiter parks at once. */
#define ENGINE_SPIN_ROUNDS 0
#define ENGINE_LINE_BYTES  64
/* Few: a schedule preempts an actor for any time, and explores what a waiter does then. */
#define ENGINE_ROUNDS_BEFORE_HANDOVER 2
#define ENGINE_HANDOVER_NS	      100
/* Under a schedule an actor that sleeps goes on only if it is woken or nobody else can act. */
#define ENGINE_HANDOVER_WAKES true

/*
 * Of the host's thread that runs the simulation; all its fibers share it. The
 * model is the one that needs no call from a shared library; so small a block
 * finds its place in a program that loads the library late, too.
 */
struct engine_now {
	uint64_t clock;
	uint64_t deadline;
	struct scheduler *scheduler; /* NULL outside of a run */
	struct scheduler *abandoned; /* runs whose actors never end, the last one first */
};

extern _Thread_local struct engine_now engine_now
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Lets all who are due before this event go first. scheduler.c. */
void engine_turn(const void *address, enum engine_kind kind);

/* Small and everywhere: were it not inlined, the call would cost more than it does. */
__attribute__((always_inline)) static inline void engine_spend(uint64_t ticks, const void *address,
							       enum engine_kind kind)
{
	engine_now.clock += ticks;
	if (__builtin_expect(engine_now.clock >= engine_now.deadline, 0))
		engine_turn(address, kind);
}

static inline void engine_relax(void)
{
}

__attribute__((always_inline)) static inline void engine_access(const void *address,
								enum engine_kind kind)
{
	engine_spend(1, address, kind);
}

/* A bulk read or write of `bytes` from `address`, all lines of it. */
static inline void engine_lines(const void *address, size_t bytes, enum engine_kind kind)
{
	uintptr_t offset = (uintptr_t)address % ENGINE_LINE_BYTES;

	(void)kind;
	engine_spend((offset + bytes + ENGINE_LINE_BYTES - 1) / ENGINE_LINE_BYTES, address,
		     ENGINE_LINES);
}

static inline void engine_charge(unsigned int kind, uint64_t count)
{
	(void)kind;
	engine_spend(count, NULL, ENGINE_CHARGE);
}

#endif
