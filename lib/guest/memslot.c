/* Memory slots: lookup, and how a change is published. See memslot.h. */
#include "guest/memslot.h"

#include <errno.h>
#include <string.h>

#include "guest/scripted.h"
#include "platform/check.h"
#include "platform/wait.h"

static size_t memslots_bytes(size_t capacity)
{
	return sizeof(struct memslots) + capacity * sizeof(struct memslot);
}

static struct memslots *memslots_alloc(struct tdp_host *host, size_t capacity)
{
	struct memslots *slots = host_allocate(host, memslots_bytes(capacity));

	if (slots) {
		slots->host = host;
		slots->capacity = capacity;
	}
	return slots;
}

void memslots_discard(struct memslots *copy)
{
	host_release(copy->host, copy, memslots_bytes(copy->capacity));
}

int guest_memory_init(struct guest_memory *memory, struct tdp_host *host,
		      unsigned int address_spaces)
{
	memory->host = host;
	memory->address_spaces = address_spaces;
	for (unsigned int i = 0; i < address_spaces; i++) {
		struct memslots *slots = memslots_alloc(host, 0);

		if (!slots)
			goto free_slots;
		/* Generations of different address spaces never meet. */
		u64_init(&slots->generation, i);
		ptr_init(&memory->slots[i], slots);
	}
	mutex_init(&memory->slots_lock);
	spinlock_init(&memory->invalidate_lock);
	u32_init(&memory->invalidating, 0);
	return 0;

free_slots:
	for (unsigned int i = 0; i < ADDRESS_SPACES; i++) {
		struct memslots *slots = ptr_load_relaxed(&memory->slots[i]);

		if (slots)
			memslots_discard(slots);
	}
	return -ENOMEM;
}

void guest_memory_fini(struct guest_memory *memory)
{
	for (unsigned int i = 0; i < memory->address_spaces; i++) {
		struct memslots *slots = ptr_load_relaxed(&memory->slots[i]);

		for (size_t slot = 0; slot < slots->count; slot++) {
			dirty_log_destroy(slots->slot[slot].log);
			if (slots->slot[slot].scripted)
				scripted_destroy(memory->host, slots->slot[slot].scripted);
		}
		memslots_discard(slots);
	}
}

const struct memslot *memslot_find(const struct memslots *slots, tdp_gfn_t gfn)
{
	size_t low = 0, high = slots->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (slots->slot[middle].gfn.n <= gfn.n)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || !memslot_holds(&slots->slot[low - 1], gfn))
		return NULL;
	return &slots->slot[low - 1];
}

const struct memslot *memslot_by_id(const struct memslots *slots, unsigned int id)
{
	for (size_t i = 0; i < slots->count; i++)
		if (slots->slot[i].id == id)
			return &slots->slot[i];
	return NULL;
}

bool memslot_changed(const struct memslot *slot, const struct memory_change *change,
		     tdp_gfn_t *first, tdp_gfn_t *past)
{
	for (unsigned int kind = 0; kind < MEMORY_KINDS; kind++) {
		const struct slot_memory *memory = &slot->memory[kind];
		uint64_t from = memory->first, to = memory->first + slot->pages;

		if (!memory->source || !source_changed(memory->source, change, &from, &to))
			continue;
		*first = tdp_gfn(slot->gfn.n + (from - memory->first));
		*past = tdp_gfn(slot->gfn.n + (to - memory->first));
		return true;
	}
	return false;
}

static uint64_t slot_hva(const struct memslot *slot)
{
	const struct slot_memory *memory = &slot->memory[MEMORY_SHARED];

	return memory->source ? source_hva(memory->source, memory->first) : 0;
}

static bool follows(const struct memslot *slot, const struct memslot *before)
{
	uint64_t hva = slot_hva(slot), hva_before = slot_hva(before);

	if (hva != hva_before)
		return hva > hva_before;
	return slot->order > before->order;
}

const struct memslot *memslot_next_changed(const struct memslots *slots,
					   const struct memory_change *change,
					   const struct memslot *after)
{
	const struct memslot *next = NULL;
	tdp_gfn_t first, past;

	for (size_t i = 0; i < slots->count; i++) {
		const struct memslot *slot = &slots->slot[i];

		if (!memslot_changed(slot, change, &first, &past))
			continue;
		if ((!after || follows(slot, after)) && (!next || follows(next, slot)))
			next = slot;
	}
	return next;
}

uint8_t memslot_max_level(const struct memslot *slot)
{
	const struct page_source *source = slot->memory[MEMORY_SHARED].source;
	uint8_t level = source ? source->max_level : TDP_LEAF_LEVEL_MAX;

	for (; level > TDP_4K; level--) {
		uint64_t pages = tdp_level_pages(level);
		tdp_gfn_t first = tdp_gfn((slot->gfn.n + pages - 1) & ~(pages - 1));

		if (memslot_holds(slot, first) && memslot_allows(slot, first, level))
			break;
	}
	return level;
}

struct memslots *memslots_copy(struct guest_memory *memory, const struct memslots *from,
			       size_t spare)
{
	struct memslots *copy = memslots_alloc(memory->host, from->count + spare);

	if (!copy)
		return NULL;
	u64_init(&copy->generation, u64_load_relaxed(&from->generation));
	copy->count = from->count;
	copy->inserted = from->inserted;
	memcpy(copy->slot, from->slot, from->count * sizeof(from->slot[0]));
	return copy;
}

struct memslot *memslots_insert(struct memslots *copy, const struct memslot *slot)
{
	size_t at = copy->count;

	CHECK(copy->count < copy->capacity);
	while (at > 0 && copy->slot[at - 1].gfn.n > slot->gfn.n) {
		copy->slot[at] = copy->slot[at - 1];
		at--;
	}
	copy->slot[at] = *slot;
	copy->slot[at].order = copy->inserted++;
	copy->count++;
	return &copy->slot[at];
}

void memslots_remove(struct memslots *copy, unsigned int id)
{
	size_t at = 0;

	while (at < copy->count && copy->slot[at].id != id)
		at++;
	CHECK(at < copy->count);
	copy->count--;
	memmove(&copy->slot[at], &copy->slot[at + 1], (copy->count - at) * sizeof(copy->slot[0]));
}

/* Waits until no pair is open, then publishes before another can open (M3). */
static void publish_between_invalidations(struct guest_memory *memory, atomic_ptr *where,
					  struct memslots *copy)
{
	spinlock_lock(&memory->invalidate_lock);
	for (;;) {
		uint32_t open = u32_load_acquire(&memory->invalidating);

		if (!open)
			break;
		spinlock_unlock(&memory->invalidate_lock);
		wait_while(&memory->invalidating, open);
		spinlock_lock(&memory->invalidate_lock);
	}
	ptr_store_release(where, copy);
	spinlock_unlock(&memory->invalidate_lock);
}

/* Sets the fields of a slot that follow from others; see struct memslot. */
static void settle(struct memslot *slot)
{
	const struct slot_memory *shared = &slot->memory[MEMORY_SHARED];
	const struct page_source *source = shared->source;

	slot->plain = NULL;
	if (!source || !source->map || source->read_only || slot->invalid || slot->read_only ||
	    slot->log_dirty)
		return;
	slot->plain = source->map;
	slot->plain_offset = shared->first - slot->gfn.n;
}

void memslots_publish(struct guest_memory *memory, unsigned int address_space,
		      struct memslots *copy)
{
	struct memslots *old = memslots_of(memory, address_space);
	uint64_t generation = u64_load_relaxed(&old->generation);

	for (size_t i = 0; i < copy->count; i++)
		settle(&copy->slot[i]);
	u64_init(&copy->generation, generation | MEMSLOT_GENERATION_UPDATING);
	publish_between_invalidations(memory, &memory->slots[address_space], copy);
	rcu_synchronize(&memory->host->rcu);
	u64_store_release(&copy->generation, generation + memory->address_spaces);
	memslots_discard(old);
}

void invalidation_open(struct guest_memory *memory)
{
	spinlock_lock(&memory->invalidate_lock);
	u32_add_acq_rel(&memory->invalidating, 1);
	spinlock_unlock(&memory->invalidate_lock);
}

void invalidation_close(struct guest_memory *memory)
{
	u32_add_acq_rel(&memory->invalidating, (uint32_t)-1);
	wait_wake_all(&memory->invalidating);
}
