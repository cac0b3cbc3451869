/*
 * Counters and gauges
 *
 * counter   one writer, any reader. The owner adds with a plain load and store,
 *           so counting costs no locked instruction; readers may lag behind.
 * tally     any writer: a relaxed read-modify-write on a line of its own.
 * gauge     a signed number of the VM that goes up and down at the transitions of
 *           entries (pages_4k and the like), kept in one of two ways:
 *             shared  every change goes to the VM's word, as upstream does
 *             percpu  a vCPU adds its changes to its own deltas, and a reader sums
 *                     them; callers without deltas change the VM's word
 *           Either way: value == word + the sum of all deltas. A single word or
 *           delta may be negative, the sum never is.
 *
 * Order: everything here is relaxed. The numbers are statistics: no code decides by them,
 * and they publish nothing. After the actors have been joined or stopped, a read is exact.
 */
#ifndef TDPSIM_OBSERVE_COUNTER_H
#define TDPSIM_OBSERVE_COUNTER_H

#include <tdpsim/stats.h>

#include "platform/atomic.h"

/* Written by its owner only, read by any thread; relaxed, see above. */
struct counter {
	atomic_u64 value;
};

static inline void counter_add(struct counter *counter, uint64_t addend)
{
	u64_store_relaxed(&counter->value, u64_load_relaxed(&counter->value) + addend);
}

static inline void counter_bump(struct counter *counter)
{
	counter_add(counter, 1);
}

static inline uint64_t counter_read(const struct counter *counter)
{
	return u64_load_relaxed(&counter->value);
}

/* Any thread adds, relaxed. It has a cache line of its own, so that it slows no other field. */
struct tally {
	_Alignas(CACHE_LINE) atomic_u64 value;
};

static inline void tally_add(struct tally *tally, uint64_t addend)
{
	u64_add_relaxed(&tally->value, addend);
}

static inline uint64_t tally_read(const struct tally *tally)
{
	return u64_load_relaxed(&tally->value);
}

/*
 * A vCPU's counters, under KVM's names where KVM has one. Zeroed memory is a valid initial
 * state. They have cache lines of their own, so that no other actor's writes slow them down.
 *
 * A fault is counted as taken when its handler is entered, and once more when
 * its result is known: pf_taken == pf_fixed + pf_spurious + pf_emulate + retries
 * + errors whenever no fault is under way. pf_fast counts besides.
 */
struct counters {
	/* Exits whose fault filled a hole, as most do. One bump here counts an exit, a fault
	 * taken and a fault fixed at once (counters_exits() and the functions after it). */
	_Alignas(CACHE_LINE) struct counter filled;
	struct counter pf_taken;
	struct counter pf_fixed;
	struct counter pf_emulate;
	struct counter pf_spurious;
	struct counter pf_fast;
	struct counter pf_mmio_spte_created;
	struct counter tlb_flush;
	struct counter exits;
	struct counter retries;
	struct counter
		retries_locked; /* those that held mmu_lock already; not in the public statistics */
	struct counter errors;
	struct counter tlb_hits;
	struct counter tlb_misses;
	struct counter accesses;
};

static inline uint64_t counters_exits(const struct counters *counters)
{
	return counter_read(&counters->exits) + counter_read(&counters->filled);
}

static inline uint64_t counters_taken(const struct counters *counters)
{
	return counter_read(&counters->pf_taken) + counter_read(&counters->filled);
}

static inline uint64_t counters_fixed(const struct counters *counters)
{
	return counter_read(&counters->pf_fixed) + counter_read(&counters->filled);
}

/* Adds each number of `counters` to the field of the same name. */
void counters_add_to(const struct counters *counters, struct tdp_stats *stats);

enum gauge {
	GAUGE_PAGES_4K,
	GAUGE_PAGES_2M,
	GAUGE_PAGES_1G,
	GAUGE_NX_LPAGE_SPLITS,
	GAUGE_TABLES,
	GAUGES,
};

/* The gauge that counts leaves at `level` (1 to 3). */
static inline enum gauge gauge_of_leaves(unsigned int level)
{
	return (enum gauge)(GAUGE_PAGES_4K + (level - 1));
}

/* The VM's half. Zeroed memory is a valid initial state, of the shared kind. */
struct gauges {
	bool percpu; /* immutable once the VM runs */
	struct tally word[GAUGES];
};

/* A vCPU's half. Zeroed memory is a valid initial state. */
struct gauge_deltas {
	_Alignas(CACHE_LINE) struct counter delta[GAUGES];
};

/* With percpu gauges: notes a change in the acting vCPU's own deltas. */
static inline void gauge_note(struct gauge_deltas *mine, enum gauge which, int64_t change)
{
	counter_add(&mine->delta[which], (uint64_t)change);
}

/* `mine` is the calling vCPU's deltas; NULL for any other caller. */
static inline void gauge_add(struct gauges *gauges, struct gauge_deltas *mine, enum gauge which,
			     int64_t change)
{
	if (gauges->percpu && mine)
		gauge_note(mine, which, change);
	else
		tally_add(&gauges->word[which], (uint64_t)change);
}

/* Both add to `stats`: call the first once for the VM, the second for each vCPU. */
void gauges_add_to(const struct gauges *gauges, struct tdp_stats *stats);
void gauge_deltas_add_to(const struct gauge_deltas *deltas, struct tdp_stats *stats);

#endif
