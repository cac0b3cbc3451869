/*
 * A vCPU's half of the MMU: its root, its caches, its TLB, its counters, and whether it is in guest
 * mode. Embedded in the vCPU; used by its actor, except for the words that other actors raise.
 */
#ifndef TDPSIM_MMU_CONTEXT_H
#define TDPSIM_MMU_CONTEXT_H

#include "mmu/held.h"
#include "paging/tlb.h"
#include "paging/write_log.h"

/* Free tables for a fault, so that it allocates nothing under mmu_lock. */
struct table_cache {
	unsigned int count;
	unsigned int needed; /* most that one fault can need; immutable */
	struct table *tables[TDP_LEVEL_MAX];
};

/* The page of the last hole that the vCPU met; valid for one memslot generation. */
struct mmio_cache {
	uint64_t generation;
	uint64_t gpa; /* page aligned; ~0: empty */
};

/*
 * The ranges that the vCPU has yet to flush, under policy range_flush exact. A flusher queues its
 * range before it raises the generation, so a vCPU that sees the generation finds the range.
 */
#define FLUSH_QUEUE_RANGES 8

struct flush_queue {
	struct spinlock lock;
	bool all; /* flush everything: asked for, or the queue was full */
	unsigned int count;
	struct flush_range {
		tdp_gfn_t first, past;
	} ranges[FLUSH_QUEUE_RANGES];
};

/* The role, and what follows from it. Written by the vCPU when its role changes. */
struct context_role {
	uint32_t word;		 /* what the root must look like */
	unsigned int root_level; /* deepest level of the tree */
	tdp_gfn_t reach;	 /* first frame that no table translates */
	const atomic_ptr *slots; /* the address space's array (guest_memory.slots) */
	uint64_t leaf;		 /* the bits of a writable leaf over a hole */
};

/* The root that is loaded: a reference, or NULL. */
struct context_root {
	struct table *table;
	tdp_pfn_t pfn;
	atomic_u64 *entries;
};

/* An entry links a table if it has these bits under this mask (fill.h). Immutable. */
struct link_test {
	uint64_t mask, bits;
};

/*
 * An exit may take the fast path through fault.c if its code has these bits under this mask;
 * `fetch` is the code's bit for an instruction fetch. Immutable.
 */
struct plain_exits {
	uint64_t mask, bits, fetch;
};

struct mmu_context {
	/*
	 * The flush protocol (flush.h). `inside` is odd while the vCPU makes an attempt in guest
	 * mode; written by the vCPU alone, so a waiter that sees it change knows that the attempt
	 * has ended. Any actor raises the other two, sequentially consistent.
	 */
	_Alignas(CACHE_LINE) atomic_u64 inside;
	_Alignas(CACHE_LINE) atomic_u64 flush_generation;
	atomic_u32 requests; /* bits of enum mmu_request; set with OR, taken with exchange */

	_Alignas(CACHE_LINE) struct mmu_actor actor;
	struct mmu_context *next; /* immutable once linked */
	/* The one that was linked next, or NULL; stored once, release. */
	atomic_ptr younger;
	uint64_t flushed; /* generation up to which the TLB was emptied */
	struct context_role role;
	struct context_root root;
	struct link_test links;
	struct plain_exits plain_exits;
	size_t last_slot; /* memslot_find_again() */
	struct mmio_cache mmio;
	struct table_cache tables;
	struct flush_queue flush_queue; /* by any actor, under its lock */
	struct dirty_ring *dirty_ring;	/* NULL: the VM has none */
	struct write_log *write_log;	/* cpu_log.h; NULL where writes are found by protection */

	struct rwlock_reader lock_reader;
	struct handover_member handover_member;
	struct counters counters;
	struct gauge_deltas deltas;
	struct trace_ring ring;
	struct tlb tlb;
};

/* NULL for a task's actor. */
static inline struct mmu_context *mmu_context_of(struct mmu_actor *actor)
{
	if (actor->vcpu < 0)
		return NULL;
	return (struct mmu_context *)((uint8_t *)actor - offsetof(struct mmu_context, actor));
}

#endif
