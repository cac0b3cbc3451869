/*
 * The CPU's log of written pages: Intel's page-modification log (SDM vol. 3, 29.3.6)
 *
 * Where it is on, a walk that sets a leaf's dirty flag puts the guest-physical page there; a walk
 * that would set one and finds the log full exits instead and changes nothing. Each vCPU has one
 * log. Its owner puts pages in, in guest mode; a reader of the dirty log takes all of them out, at
 * any time.
 *
 * Order
 *   The flag is set first, then the page is put in, inside one stay in guest mode. In the other
 *   order a reader could take the page out and clear a flag that is not set yet; once set it would
 *   stay, and later writes of the page would not be logged. A reader that needs all writes until
 *   now first waits for the vCPUs inside (mmu_kick_all() in mmu/flush.h).
 */
#ifndef TDPSIM_PAGING_WRITE_LOG_H
#define TDPSIM_PAGING_WRITE_LOG_H

#include <tdpsim/types.h>

#include "platform/lock.h"

#define WRITE_LOG_ENTRIES 512

struct write_log {
	struct spinlock lock; /* protects the pages, and changes of the other two */
	/*
	 * Raised by the owner alone, who reads it without the lock: relaxed, because it may have
	 * become less since, never more.
	 */
	atomic_u32 count;
	unsigned int address_space; /* of the pages; changed by the owner, while empty */
	tdp_gfn_t pages[WRITE_LOG_ENTRIES];
};

static inline void write_log_init(struct write_log *log)
{
	spinlock_init(&log->lock);
	u32_init(&log->count, 0);
}

static inline bool write_log_full(const struct write_log *log)
{
	return u32_load_relaxed(&log->count) == WRITE_LOG_ENTRIES;
}

/* Puts a page into the log, which is not full; by the owner. */
static inline void write_log_put(struct write_log *log, tdp_gfn_t page)
{
	uint32_t count;

	spinlock_lock(&log->lock);
	count = u32_load_relaxed(&log->count);
	log->pages[count] = page;
	u32_store_relaxed(&log->count, count + 1);
	spinlock_unlock(&log->lock);
}

#endif
