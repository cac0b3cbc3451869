/*
 * The host as its own room sees it: physical memory as one sparse window, the
 * metadata allocator, who is calling, and the notifier chain. Frame `pfn` lives
 * at window + (pfn << 12), so an entry's address bits become a pointer with one
 * addition.
 *
 * The window has two regions, each advised once: tables first (huge pages), data
 * behind them (no transparent huge pages: a touch would cost 2 MiB). Only what
 * is touched costs memory.
 */
#ifndef TDPSIM_HOST_HOST_H
#define TDPSIM_HOST_HOST_H

#include <tdpsim/host.h>

#include "platform/rcu.h"
#include "platform/rwlock.h"

struct frame_allocator; /* frame.c */
struct notifier;	/* notify.h */

/* Frames kept at hand for one caller, so that most allocations take no lock. */
#define FRAME_CACHE_TABLES 8
struct frame_cache {
	/*
	 * Written by the owner alone. Relaxed: a statistic for everybody else
	 * (tdp_host_usage() adds it to what is free).
	 */
	atomic_u32 count;
	tdp_pfn_t tables[FRAME_CACHE_TABLES]; /* owner only */
};

/*
 * Who is calling: a vCPU has one of its own, everybody else borrows one with
 * host_caller_get(). Used by one actor at a time.
 */
struct host_caller {
	struct tdp_host *host;
	struct rcu_reader rcu;
	struct frame_cache frames;
	int node;		       /* preferred; 0 until its owner says otherwise */
	struct host_caller *next_idle; /* under host->callers_lock */
	struct host_caller *next;      /* every caller of the host, under host->callers_lock */
};

struct tdp_host {
	struct tdp_host_config config; /* as used: defaults filled in; immutable */
	uint8_t *window;	       /* immutable */
	uint64_t frames;	       /* where the window ends; immutable */
	uint64_t table_frames;	       /* the first of them; immutable */
	uint64_t tables_trusted; /* their bytes, or 0 under `check`: none is taken at its word */
	uint64_t data_first;	 /* first data frame, at a multiple of 1 GiB; immutable */
	uint8_t *records;	 /* FRAME_RECORD_BYTES for each table frame, sparse; immutable */
	struct frame_allocator *allocator;
	atomic_u32 *ages[TDP_LEAF_LEVEL_MAX]; /* by level - 1; under `check`, see age.h */
	/* Under `check`: how often an actor used a table that had been freed; relaxed adds. */
	atomic_u64 freed_table_uses;
	struct handover handover; /* all vCPUs of the host */
	struct rcu rcu;		  /* frees page tables */
	struct spinlock callers_lock;
	struct host_caller *callers;  /* all; under callers_lock */
	struct host_caller *idle;     /* of them, the borrowed ones put back; likewise */
	struct rwlock notifiers_lock; /* callbacks run under it, shared */
	struct notifier *notifiers;   /* list: changed under notifiers_lock, exclusive */
	atomic_u32 invalidations;     /* open begin/end pairs; orders in notify.c */
	/* Counts the releases of page sources that faults wait for; S1 of guest/source.h. */
	atomic_u32 source_releases;
	atomic_u64 metadata_bytes; /* relaxed adds: a statistic */
	atomic_u64 next_hva;	   /* where the next anonymous mapping goes; relaxed add */
};

static inline void *frame_address(const struct tdp_host *host, tdp_pfn_t pfn)
{
	return host->window + (pfn.n << TDP_PAGE_SHIFT);
}

static inline tdp_pfn_t frame_of(const struct tdp_host *host, const void *address)
{
	return tdp_pfn((uint64_t)((const uint8_t *)address - host->window) >> TDP_PAGE_SHIFT);
}

/* False in the gap between the regions, too. */
static inline bool host_has_frame(const struct tdp_host *host, tdp_pfn_t pfn)
{
	return pfn.n < host->table_frames || (pfn.n >= host->data_first && pfn.n < host->frames);
}

/* Asks the fail hook. Everything that can run out asks first. */
static inline bool host_refuses(const struct tdp_host *host, enum tdp_allocation allocation)
{
	bool (*refuse)(void *, enum tdp_allocation) = host->config.fail;

	return refuse && refuse(host->config.fail_context, allocation);
}

/* Zeroed memory of the library's own; NULL if refused. Sizes must match at release. */
void *host_allocate(struct tdp_host *host, size_t bytes);
void *host_allocate_aligned(struct tdp_host *host, size_t alignment, size_t bytes);
void host_release(struct tdp_host *host, void *memory, size_t bytes);

/* Embedded callers: a vCPU's. init registers with the host's rcu. */
void host_caller_init(struct host_caller *caller, struct tdp_host *host);
void host_caller_fini(struct host_caller *caller);

/* Borrowed callers; NULL if out of memory. Put it back when done. */
struct host_caller *host_caller_get(struct tdp_host *host);
void host_caller_put(struct host_caller *caller);

static inline void host_read_begin(struct host_caller *caller)
{
	rcu_enter(&caller->host->rcu, &caller->rcu);
}

static inline void host_read_end(struct host_caller *caller)
{
	rcu_leave(&caller->rcu);
}

#endif
