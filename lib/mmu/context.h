/*
 * A vCPU's half of the MMU: its root, its caches, its TLB, its counters, and
 * whether it is in guest mode. Embedded in the vCPU; used by its actor, but for
 * the words that others raise.
 */
#ifndef TDPSIM_MMU_CONTEXT_H
#define TDPSIM_MMU_CONTEXT_H

#include "mmu/held.h"
#include "paging/tlb.h"
#include "paging/write_log.h"

/* Tables at hand for a fault, so that it allocates nothing under mmu_lock. */
struct table_cache {
	unsigned int count;
	unsigned int needed; /* by one fault, at most; immutable */
	struct table *tables[TDP_LEVEL_MAX];
};

/* The page that the vCPU last met a hole at; valid for one memslot generation. */
struct mmio_cache {
	uint64_t generation;
	uint64_t gpa; /* page aligned; ~0: empty */
};

/*
 * What flushes are about, under policy range_flush exact. A flusher puts its range
 * in before it raises the generation, so that who sees the generation finds it.
 */
#define FLUSH_MAIL_RANGES 8

struct flush_mail {
	struct spinlock lock;
	bool all; /* everything is to go: asked for, or there was no room */
	unsigned int count;
	struct flush_range {
		tdp_gfn_t first, past;
	} ranges[FLUSH_MAIL_RANGES];
};

struct mmu_context {
	/*
	 * The flush protocol (flush.h). `inside` is odd while the vCPU makes an
	 * attempt in guest mode; written by the vCPU alone, so a waiter that sees it
	 * change knows that the attempt has ended. The other two are raised by
	 * anybody, sequentially consistent.
	 */
	_Alignas(CACHE_LINE) atomic_u64 inside;
	_Alignas(CACHE_LINE) atomic_u64 flush_generation;
	atomic_u32 requests; /* bits of enum mmu_request; set with OR, taken with exchange */

	_Alignas(CACHE_LINE) struct mmu_actor actor;
	struct mmu_context *next; /* immutable once linked */
	/* The one that was linked next, or NULL; stored once, release. */
	atomic_ptr younger;
	uint64_t flushed;   /* generation up to which the TLB was emptied */
	uint32_t root_role; /* what the root must look like */
	/* What follows from root_role: the first frame that no table translates, the slots
	 * (guest_memory.slots), the bits of a writable leaf. */
	unsigned int root_level;
	/* An entry links a table if it has these bits under this mask: fill.h. Immutable. */
	uint64_t link_mask, link_bits;
	/* An exit may be served the short way if its code has these bits under this mask, and
	 * the fetch among these has this bit: fault.c. Immutable. */
	uint64_t plain_mask, plain_bits, fetch_bit;
	tdp_gfn_t reach;
	const atomic_ptr *slots;
	uint64_t leaf;
	size_t last_slot;   /* memslot_find_again() */
	struct table *root; /* a reference, or NULL */
	tdp_pfn_t root_pfn; /* of root */
	atomic_u64 *root_entries;
	struct mmio_cache mmio;
	struct table_cache tables;
	struct flush_mail mail;	       /* by anybody, under its lock */
	struct dirty_ring *dirty_ring; /* NULL: the VM has none */
	struct write_log *write_log;   /* cpu_log.h; NULL where writes are found by protection */

	struct rwlock_reader lock_reader;
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
