/*
 * Memory slots: which guest frames lie over which memory of the host's process
 *
 * Each address space has one array of slots, sorted by gfn, that is never
 * changed once published: a change publishes a new array and frees the old one
 * after a grace period, so that whoever found a slot may use it until its RCU
 * section ends. A vCPU stays in one section from before it handles an exit until
 * that is done; it covers the tables too, so a fault pays for one entry.
 *
 * Rules
 *   M1  slots_lock is held from the first to the last step of a change.
 *   M2  The generation moves after the grace period, with the in-progress bit set
 *       in between, so that no MMIO entry made from old slots can match the new
 *       ones (Linux virt/kvm/kvm_main.c, kvm_swap_active_memslots(), 6.12).
 *   M3  No array is published while an invalidation pair is open: its begin and
 *       its end must see the same slots (mn_active_invalidate_count).
 */
#ifndef TDPSIM_GUEST_MEMSLOT_H
#define TDPSIM_GUEST_MEMSLOT_H

#include <tdpsim/memslot.h>

#include "guest/dirty_log.h"
#include "host/anon.h"

#define ADDRESS_SPACES		    2
#define MEMSLOT_GENERATION_UPDATING (1ULL << 63)

struct memslot {
	tdp_gfn_t gfn;
	uint64_t pages;
	uint64_t hva;
	const struct tdp_backing *backing; /* borrowed */
	uint64_t order;			   /* of insertion, in its address space */
	uint16_t id;
	uint8_t address_space;
	uint8_t max_level; /* of a leaf anywhere in the slot; memslot_max_level() */
	bool read_only;
	bool log_dirty;	       /* its writes are logged: no larger leaves than 4K are made */
	bool invalid;	       /* being deleted or moved: faults retry */
	struct dirty_log *log; /* with log_dirty, else NULL; dirty_log.h says whose it is */
	/*
	 * Set when the slot is published: the anonymous memory behind it, if a fault need
	 * ask nothing more about the slot: it is not on its way out, and neither it nor its
	 * memory is read-only, nor are its writes logged. Else NULL. A frame plus
	 * `anon_offset` is the page of that memory.
	 */
	const struct tdp_anon *anon;
	uint64_t anon_offset;
};

struct memslots {
	/* Written by the holder of slots_lock (M2), release; read by vCPUs, acquire. */
	atomic_u64 generation;
	size_t count, capacity;
	uint64_t inserted; /* the order of the next slot */
	struct tdp_host *host;
	struct memslot slot[]; /* sorted by gfn, disjoint */
};

struct guest_memory {
	struct tdp_host *host;
	unsigned int address_spaces; /* immutable */
	struct mutex slots_lock;
	atomic_ptr slots[ADDRESS_SPACES]; /* struct memslots; published with release (M1) */
	/* Open invalidation pairs (M3). Changed under `invalidate_lock`; a slot change
	 * parks on the word until it is 0. */
	struct spinlock invalidate_lock;
	atomic_u32 invalidating;
};

int guest_memory_init(struct guest_memory *memory, struct tdp_host *host,
		      unsigned int address_spaces);
void guest_memory_fini(struct guest_memory *memory);

/* Inside an RCU section, under slots_lock, or while an invalidation pair is open (M3). */
static inline struct memslots *memslots_of(struct guest_memory *memory, unsigned int address_space)
{
	return ptr_load_acquire(&memory->slots[address_space]);
}

static inline uint64_t memslots_generation(const struct memslots *slots)
{
	return u64_load_acquire(&slots->generation);
}

/* The slot that holds `gfn`, or NULL. */
const struct memslot *memslot_find(const struct memslots *slots, tdp_gfn_t gfn);
const struct memslot *memslot_by_id(const struct memslots *slots, unsigned int id);

static inline bool memslot_holds(const struct memslot *slot, tdp_gfn_t gfn)
{
	return gfn.n - slot->gfn.n < slot->pages;
}

/*
 * memslot_find() for one who asks often: *last is the index of the slot that he found
 * last, in whichever array that was (kvm_vcpu_gfn_to_memslot(), 6.12).
 */
static inline const struct memslot *memslot_find_again(const struct memslots *slots, size_t *last,
						       tdp_gfn_t gfn)
{
	const struct memslot *slot = &slots->slot[*last];

	if (__builtin_expect(*last < slots->count && memslot_holds(slot, gfn), 1))
		return slot;
	slot = memslot_find(slots, gfn);
	if (slot)
		*last = (size_t)(slot - slots->slot);
	return slot;
}

static inline uint64_t memslot_hva(const struct memslot *slot, tdp_gfn_t gfn)
{
	return slot->hva + ((gfn.n - slot->gfn.n) << TDP_PAGE_SHIFT);
}

/*
 * May a leaf at `level` over `gfn` lie in the slot? Not if it would stick out, or
 * if guest and host addresses are not congruent (kvm_alloc_memslot_metadata()).
 */
static inline bool memslot_allows(const struct memslot *slot, tdp_gfn_t gfn, unsigned int level)
{
	uint64_t pages = tdp_level_pages(level);
	uint64_t first = gfn.n & ~(pages - 1);

	return first >= slot->gfn.n && first + pages <= slot->gfn.n + slot->pages &&
	       ((slot->gfn.n ^ (slot->hva >> TDP_PAGE_SHIFT)) & (pages - 1)) == 0;
}

/* The largest level that memslot_allows() for some frame and the backing may have. */
uint8_t memslot_max_level(const struct memslot *slot);

/*
 * The frames of a slot that [start, end) of the process's memory touches, ends
 * rounded outwards; false if none.
 */
bool memslot_cut(const struct memslot *slot, uint64_t start, uint64_t end, tdp_gfn_t *first,
		 tdp_gfn_t *past);

/*
 * The slot that follows `after` (NULL: the first) among those that [start, end) of
 * the process's memory touches, by hva, and by age where several begin at one: the
 * order of the kernel's interval tree (struct kvm_memslots, hva_tree). NULL at the end.
 */
const struct memslot *memslot_next_over(const struct memslots *slots, uint64_t start, uint64_t end,
					const struct memslot *after);

/*
 * The steps of a change, each under slots_lock (M1). A copy is private until
 * published; memslots_publish() waits for open invalidations (M3) and a grace
 * period, moves the generation (M2), and frees the array that was there.
 */
struct memslots *memslots_copy(struct guest_memory *memory, const struct memslots *from,
			       size_t spare);
void memslots_discard(struct memslots *copy);
struct memslot *memslots_insert(struct memslots *copy, const struct memslot *slot);
void memslots_remove(struct memslots *copy, unsigned int id);
void memslots_publish(struct guest_memory *memory, unsigned int address_space,
		      struct memslots *copy);

/* Brackets of an invalidation pair (M3). */
void invalidation_open(struct guest_memory *memory);
void invalidation_close(struct guest_memory *memory);

#endif
