/*
 * The native engine's inline half: actors are threads and time is the host's,
 * so a shared access costs what it costs and nothing has to be told.
 */
#ifndef TDPSIM_PLATFORM_NATIVE_ENGINE_H
#define TDPSIM_PLATFORM_NATIVE_ENGINE_H

#include <stddef.h>
#include <stdint.h>

enum engine_kind {
	ENGINE_READ,
	ENGINE_WRITE,
	ENGINE_UPDATE, /* a read-modify-write, or a store that needs the line at once */
};

/*
 * How often a waiter looks again before it parks: a few microseconds, longer
 * than a leaf lock is held and about what a park and a wake cost.
 */
#define ENGINE_SPIN_ROUNDS 100

/* How often a waiter pauses before it requests a handover (handover.h). */
#define ENGINE_ROUNDS_BEFORE_HANDOVER 64
/* A member's sleep for each member: some switches of threads. */
#define ENGINE_HANDOVER_NS    50000
#define ENGINE_HANDOVER_WAKES false

/* Between two looks: gives the core's other thread its turn. */
static inline void engine_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static inline void engine_access(const void *address, enum engine_kind kind)
{
	(void)address;
	(void)kind;
}

/* A bulk read or write of `bytes` from `address`, all lines of it. */
static inline void engine_lines(const void *address, size_t bytes, enum engine_kind kind)
{
	(void)address;
	(void)bytes;
	(void)kind;
}

static inline void engine_charge(unsigned int kind, uint64_t count)
{
	(void)kind;
	(void)count;
}

#endif
