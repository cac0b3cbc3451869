/*
 * The MMU of a VM: the state that all its vCPUs share, and the actors that work on it
 *
 * Locking (order: slots_lock, then an RCU section of the host, then mmu_lock, then pages_lock; an
 * actor reads tables only inside an RCU section of the host)
 *
 *   - mmu_lock shared: entries change by compare-and-swap only
 *   - mmu_lock exclusive: entries may be stored; an entry that a lockless writer or the hardware
 *     may change (spte_volatile()) is exchanged, unless it goes for good and no observer needs its
 *     old value (C4)
 *   - neither: fast page faults and lockless walks, in an RCU section
 *
 * Flushing (flush.c): an actor that takes a right away from a valid root's entry owes a flush
 * before it drops mmu_lock; an actor that unlinks a table, before it leaves its RCU section. Adding
 * rights owes nothing.
 */
#ifndef TDPSIM_MMU_MMU_H
#define TDPSIM_MMU_MMU_H

#include <tdpsim/vm.h>

#include "guest/memslot.h"
#include "mmu/history.h"
#include "mmu/note.h"
#include "mmu/tracked.h"
#include "observe/counter.h"
#include "observe/tracepoint.h"
#include "paging/iter.h"
#include "platform/rwlock.h"

struct mmu_context;
struct mmu_actor;

/*
 * What the host's process is changing at the moment. Written under mmu_lock exclusively with
 * release; exact for readers under mmu_lock in any mode, a hint for others (acquire).
 */
struct invalidation {
	atomic_u64 seq;		/* completed invalidations that met a slot */
	atomic_u64 in_progress; /* open ones */
	atomic_u64 first, past; /* union of their gfns; first > past: none yet */
};

/*
 * What each fault reads, and only an invalidation or a slot change writes. It shares no cache line
 * with locks, lists and counters, whose writers would otherwise take the line from every fault.
 */
struct mmu_watched {
	_Alignas(CACHE_LINE) struct invalidation invalidation;
	/* Slots that are logged; written under slots_lock, order in cpu_log.h. */
	atomic_u32 logged_slots;
	/* Huge leaves are never executable; read under mmu_lock, changed under it exclusively. */
	bool nx_active;
};

/* How far the tables of the VM reach. */
struct mmu_limits {
	unsigned int levels;	/* the deepest tree that the hardware walks */
	unsigned int max_level; /* of a leaf */
	uint64_t gfns;		/* first frame beyond the host's physical-address width */
};

/* How writes are logged. */
struct mmu_logging {
	/* Immutable once the VM runs. */
	enum tdp_manual_protect manual_protect;
	uint32_t ring, ring_reserved; /* entries of each vCPU's dirty ring; 0: no rings */
	/*
	 * Passes of the dirty log that have taken rights away and have yet to flush, which they do
	 * without mmu_lock. Raised and lowered by the holder of slots_lock, acquire-release; raised
	 * before mmu_lock is taken, and before a slot whose log begins is published. The watch over
	 * accesses reads it under mmu_lock; a fault that splits reads it by acquire, after its slot
	 * (P4 of protect.h).
	 */
	atomic_u32 flushes_owed;
};

/* Possible NX huge pages (nx.h), oldest first; under the lock of struct mmu_pages. */
struct nx_pages {
	TAILQ_HEAD(, table) tables;
	uint64_t count;
};

/* The lists of tables. */
struct mmu_pages {
	struct spinlock lock;	/* pages_lock: writers of `roots`; all of `nx` */
	atomic_ptr roots;	/* youngest first; see struct table */
	bool shadow_generation; /* flips at every fast zap; under slots_lock */
	struct nx_pages nx;
};

/* The contexts of all vCPUs, youngest first. */
struct mmu_vcpus {
	atomic_ptr youngest; /* prepended sequentially consistent at creation (flush.c), never
				removed */
	atomic_ptr oldest;   /* the same list from its other end; stored with release */
};

/* The actors of tasks: host threads that work on the tables (task.c). */
struct mmu_tasks {
	struct spinlock lock;
	struct mmu_actor
		*idle; /* under `lock`; one is always kept back for a task that must not fail */
	atomic_u32 returned; /* counts puts, for a get that waits; added to with acquire-release */
	/* Every task there ever was; prepended, sequentially consistent (gate.h). */
	atomic_ptr all;
};

/* Statistics of flushes. */
struct mmu_flush_counts {
	struct tally requests, made;
};

/* What only a VM with `check` keeps. */
struct mmu_checks {
	atomic_u32 gate; /* gate.h */
	struct notes notes;
	struct history history;
	struct tracked tracked;
};

struct mmu {
	/* Immutable once the VM runs. */
	struct tdp_host *host;
	struct guest_memory *memory;
	struct tdp_policy policy; /* resolved: nothing is "as baseline" */
	struct encoding encoding;
	struct mmu_limits limits;
	struct tracer tracer;
	bool check;

	struct mmu_watched watched;

	_Alignas(CACHE_LINE) struct rwlock lock; /* mmu_lock */
	_Alignas(CACHE_LINE) struct mmu_pages pages;
	struct mmu_vcpus vcpus;
	struct mmu_tasks tasks;
	struct mmu_logging logging;
	struct shared_ring task_ring; /* events of actors that are no vCPU */
	struct mmu_flush_counts flush_counts;
	struct gauges gauges;
	struct mmu_checks checks;
};

/*
 * An actor works on the tables: a vCPU (embedded in its context), or a task of the host (task.c).
 * Used by one thread of execution at a time.
 */
struct mmu_actor {
	struct mmu *mmu;
	struct host_caller caller;
	struct rwlock_reader *lock_reader; /* NULL: not registered with mmu_lock, or not percpu */
	struct gauge_deltas *deltas;	   /* likewise: NULL counts in the VM's words */
	struct trace_ring *ring;	   /* NULL: the task ring */
	int vcpu;			   /* or -1 */
	bool traced;			   /* events have a sink; immutable */
	bool observed;			   /* traced, or check; immutable */
	struct mmu_actor *next_idle;
	struct mmu_actor *next_task; /* immutable once linked */
	atomic_u32 at_work;	     /* under check; written by its user alone (gate.h) */
	/* Tasks: the root that an open iterator holds; written by its user alone,
	 * release, read by the checker. */
	atomic_ptr reading;
};

struct mmu_config {
	struct tdp_host *host;
	struct guest_memory *memory;
	const struct tdp_vm_config *vm;
	struct tdp_policy policy;	     /* resolved */
	uint32_t dirty_ring_reserved;	     /* B1 of guest/dirty_ring.h */
	struct tdp_trace_event *task_events; /* room for the task ring, or NULL */
};

int mmu_init(struct mmu *mmu, const struct mmu_config *config);
/* After mmu_zap_all() and once every context is gone. */
void mmu_fini(struct mmu *mmu);

/* The tasks' actors, task.c. -ENOMEM. */
int mmu_tasks_init(struct mmu *mmu);
void mmu_tasks_fini(struct mmu *mmu);

/*
 * A task's actor. Never fails: one is kept back, and a caller that finds none waits. So a task that
 * has one must not wait for what another task may have to do first.
 */
struct mmu_actor *mmu_task_get(struct mmu *mmu);
/* For a caller that keeps it for long: leaves the last one alone. NULL: no memory. */
struct mmu_actor *mmu_task_try_get(struct mmu *mmu);
void mmu_task_put(struct mmu_actor *task);

static inline void mmu_gauge(struct mmu_actor *actor, enum gauge which, int64_t change)
{
	if (actor->deltas)
		gauge_note(actor->deltas, which, change);
	else
		gauge_add(&actor->mmu->gauges, NULL, which, change);
}

#endif
