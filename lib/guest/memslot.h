/*
 * Memory slots: which guest frames lie over which pages of which source
 *
 * Each address space has one array of slots, sorted by gfn, that is never changed once published: a
 * change publishes a new array and frees the old one after a grace period, so an actor that found a
 * slot may use it until its RCU section ends. A vCPU stays in one section while it handles an exit;
 * the section covers the tables too, so a fault enters one.
 *
 * Rules
 *   M1  slots_lock is held from the first to the last step of a change.
 *   M2  The generation moves after the grace period, with the in-progress bit set in between, so
 *       that no MMIO entry made from old slots can match the new ones (Linux virt/kvm/kvm_main.c,
 *       kvm_swap_active_memslots(), 6.12).
 *   M3  No array is published while an invalidation pair is open: its begin and its end must see
 *       the same slots (mn_active_invalidate_count).
 */
#ifndef TDPSIM_GUEST_MEMSLOT_H
#define TDPSIM_GUEST_MEMSLOT_H

#include <tdpsim/memslot.h>

#include "guest/dirty_log.h"
#include "guest/source.h"

#define ADDRESS_SPACES		    2
#define MEMSLOT_GENERATION_UPDATING (1ULL << 63)

/* Which of its two sources a frame's page comes from. */
enum memory_kind {
	MEMORY_SHARED,
	MEMORY_PRIVATE,
	MEMORY_KINDS,
};

/* The slot's first frame is page `first` of the source. */
struct slot_memory {
	const struct page_source *source; /* NULL: the slot has no memory of this kind */
	uint64_t first;
};

struct memslot {
	tdp_gfn_t gfn;
	uint64_t pages;
	struct slot_memory memory[MEMORY_KINDS];
	struct page_source *scripted; /* of memory[MEMORY_SHARED], if the slot owns it; else NULL */
	uint64_t order;		      /* of insertion, in its address space */
	uint16_t id;
	uint8_t address_space;
	uint8_t max_level; /* of a leaf anywhere in the slot; memslot_max_level() */
	bool read_only;
	bool log_dirty;	       /* its writes are logged: no larger leaves than 4K are made */
	bool invalid;	       /* being deleted or moved: faults retry */
	struct dirty_log *log; /* with log_dirty, else NULL; dirty_log.h says whose it is */
	/*
	 * Set when the slot is published: the map behind its shared memory, if a fault need ask
	 * nothing more about the slot: it is not being deleted, neither it nor its memory is
	 * read-only, and its writes are not logged. Else NULL. A frame plus `plain_offset` is the
	 * page of that map.
	 */
	const struct page_map *plain;
	uint64_t plain_offset;
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
 * memslot_find() for a caller that asks often: *last is the index of the slot that it found last,
 * in whichever array that was (kvm_vcpu_gfn_to_memslot(), 6.12).
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

/* Which page of its source a frame of the slot is. */
static inline uint64_t memslot_page(const struct memslot *slot, enum memory_kind kind,
				    tdp_gfn_t gfn)
{
	return slot->memory[kind].first + (gfn.n - slot->gfn.n);
}

/*
 * May a leaf at `level` over `gfn` lie in the slot? Not if it would stick out, or if guest frames
 * and pages of the source are not congruent (kvm_alloc_memslot_metadata()).
 */
static inline bool memslot_allows(const struct memslot *slot, tdp_gfn_t gfn, unsigned int level)
{
	uint64_t pages = tdp_level_pages(level);
	uint64_t first = gfn.n & ~(pages - 1);

	return first >= slot->gfn.n && first + pages <= slot->gfn.n + slot->pages &&
	       ((slot->gfn.n ^ slot->memory[MEMORY_SHARED].first) & (pages - 1)) == 0;
}

/* The largest level that memslot_allows() for some frame and the source may have. */
uint8_t memslot_max_level(const struct memslot *slot);

/* The frames of a slot that a change of memory concerns; false if none. */
bool memslot_changed(const struct memslot *slot, const struct memory_change *change,
		     tdp_gfn_t *first, tdp_gfn_t *past);

/*
 * The slot that follows `after` (NULL: the first) among those that a change of memory concerns: by
 * address in the host's process, and by age where several begin at one, the order of the kernel's
 * interval tree (struct kvm_memslots, hva_tree). NULL at the end.
 */
const struct memslot *memslot_next_changed(const struct memslots *slots,
					   const struct memory_change *change,
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
