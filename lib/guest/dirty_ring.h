/*
 * A vCPU's dirty ring: the pages that it wrote, in order, for user space to harvest
 * (KVM_CAP_DIRTY_LOG_RING; Linux virt/kvm/dirty_ring.c, 6.12)
 *
 * reset <= harvested <= dirty <= reset + size are counts of the entries that were ever recycled,
 * harvested and pushed; they wrap. An entry stays until it is recycled, which is after its page was
 * protected again, so a page that could be written unnoticed is always in some ring.
 *
 * Rules
 *   B1  When the ring counts as full it has room for `reserved` more entries, which a vCPU that has
 *       just entered guest mode may still push: a CPU's log of written pages, and a fault. It does
 *       not enter again before entries were recycled.
 *   B2  The recycler holds slots_lock, so it owns the entries [reset, harvested) and may read them
 *       without the lock.
 */
#ifndef TDPSIM_GUEST_DIRTY_RING_H
#define TDPSIM_GUEST_DIRTY_RING_H

#include "host/host.h"
#include "platform/lock.h"

#define DIRTY_RING_MIN	    512
#define DIRTY_RING_MAX	    65536
#define DIRTY_RING_RESERVED 64 /* KVM_DIRTY_RING_RSVD_ENTRIES */

struct dirty_ring_entry {
	uint64_t offset; /* of the page in its slot */
	uint16_t slot;
	uint16_t address_space;
};

struct dirty_ring {
	struct tdp_host *host;
	uint32_t size;	      /* a power of two; immutable */
	uint32_t soft_limit;  /* of entries in use: full from there on (B1); immutable */
	struct spinlock lock; /* over the fields below */
	uint32_t dirty, harvested, reset;
	struct dirty_ring_entry entries[];
};

/* NULL: no memory. */
struct dirty_ring *dirty_ring_create(struct tdp_host *host, uint32_t size, uint32_t reserved);
void dirty_ring_destroy(struct dirty_ring *ring); /* NULL is allowed */

/* The counts as they were together at some moment. */
struct dirty_ring_counts {
	uint32_t dirty, harvested, reset;
};

struct dirty_ring_counts dirty_ring_counts(struct dirty_ring *ring);

/* There is room (B1). Returns the counts after it. */
struct dirty_ring_counts dirty_ring_push(struct dirty_ring *ring,
					 const struct dirty_ring_entry *entry);

static inline bool dirty_ring_is_full(const struct dirty_ring *ring,
				      struct dirty_ring_counts counts)
{
	return counts.dirty - counts.reset >= ring->soft_limit;
}

/* The oldest that was not harvested yet; false if there is none. */
bool dirty_ring_harvest(struct dirty_ring *ring, struct dirty_ring_entry *entry);

/* Recycles the `count` oldest, which have been harvested. Returns the counts after it. */
struct dirty_ring_counts dirty_ring_recycle(struct dirty_ring *ring, uint32_t count);

/* The nth entry that was pushed; under B2, or by a reader while no vCPU pushes. */
static inline const struct dirty_ring_entry *dirty_ring_entry(const struct dirty_ring *ring,
							      uint32_t n)
{
	return &ring->entries[n & (ring->size - 1)];
}

#endif
