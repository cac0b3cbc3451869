/* A vCPU's dirty ring. See dirty_ring.h. */
#include "guest/dirty_ring.h"

#include "platform/check.h"

static size_t bytes_of(uint32_t size)
{
	return sizeof(struct dirty_ring) + size * sizeof(struct dirty_ring_entry);
}

struct dirty_ring *dirty_ring_create(struct tdp_host *host, uint32_t size, uint32_t reserved)
{
	struct dirty_ring *ring = host_allocate(host, bytes_of(size));

	if (!ring)
		return NULL;
	ring->host = host;
	ring->size = size;
	ring->soft_limit = size - reserved;
	spinlock_init(&ring->lock);
	return ring;
}

void dirty_ring_destroy(struct dirty_ring *ring)
{
	if (ring)
		host_release(ring->host, ring, bytes_of(ring->size));
}

/* The lock is held. */
static struct dirty_ring_counts counts_of(const struct dirty_ring *ring)
{
	return (struct dirty_ring_counts){ring->dirty, ring->harvested, ring->reset};
}

struct dirty_ring_counts dirty_ring_counts(struct dirty_ring *ring)
{
	struct dirty_ring_counts counts;

	spinlock_lock(&ring->lock);
	counts = counts_of(ring);
	spinlock_unlock(&ring->lock);
	return counts;
}

struct dirty_ring_counts dirty_ring_push(struct dirty_ring *ring,
					 const struct dirty_ring_entry *entry)
{
	struct dirty_ring_counts counts;

	spinlock_lock(&ring->lock);
	CHECK(ring->dirty - ring->reset < ring->size); /* B1 */
	ring->entries[ring->dirty & (ring->size - 1)] = *entry;
	ring->dirty++;
	counts = counts_of(ring);
	spinlock_unlock(&ring->lock);
	return counts;
}

bool dirty_ring_harvest(struct dirty_ring *ring, struct dirty_ring_entry *entry)
{
	bool any;

	spinlock_lock(&ring->lock);
	any = ring->harvested != ring->dirty;
	if (any)
		*entry = *dirty_ring_entry(ring, ring->harvested++);
	spinlock_unlock(&ring->lock);
	return any;
}

struct dirty_ring_counts dirty_ring_recycle(struct dirty_ring *ring, uint32_t count)
{
	struct dirty_ring_counts counts;

	spinlock_lock(&ring->lock);
	CHECK(ring->harvested - ring->reset >= count);
	ring->reset += count;
	counts = counts_of(ring);
	spinlock_unlock(&ring->lock);
	return counts;
}
