/*
 * Changes memory slots. vCPUs look slots up without a lock, so a change takes these steps
 * in this order, to keep a vCPU from mapping through a slot that is being deleted or moved
 * (Linux virt/kvm/kvm_main.c, __kvm_set_memory_region(), 6.12):
 *
 *   delete, move  1. publish the slots with this one marked invalid: its faults retry
 *                 2. zap the slot's mappings
 *                 3. publish the slots without it, or with it at its new place
 *   create        publish the slots with the new one
 *   flags         publish the slots with the new flag, then apply the flag to existing
 *                 leaves (mmu/dirty.h): no fault uses the old flag any more by then
 *
 * All memory is allocated before step 1, so a change that fails changes nothing.
 */
#include <errno.h>

#include "guest/anon.h"
#include "guest/scripted.h"
#include "host/report.h"
#include "mmu/cpu_log.h"
#include "mmu/dirty.h"
#include "mmu/flush.h"
#include "mmu/zap.h"
#include "platform/sized.h"
#include "vm/vm.h"

/* A change under way; slots_lock is held. */
struct slot_change {
	struct tdp_vm *vm;
	const struct tdp_memslot *asked;
	struct memslot slot;	       /* the slot after the change */
	const struct memslot *present; /* the slot before the change; NULL: a new slot */
	struct memslots *marked;       /* published in step 1 */
	struct memslots *final;	       /* published in step 3 */
};

static int refuse(const struct tdp_vm *vm, int err, const char *reason)
{
	host_report(vm->host, "%s", reason);
	return err;
}

static int check_shape(const struct tdp_vm *vm, const struct tdp_memslot *asked)
{
	uint64_t limit = vm->mmu.limits.gfns;

	if (asked->address_space >= vm->config.address_spaces)
		return refuse(vm, -EINVAL, "the VM has no such address space");
	if (asked->id >= TDP_MEMSLOTS)
		return refuse(vm, -EINVAL, "slot ids go from 0 to TDP_MEMSLOTS - 1");
	if (asked->pages > limit || asked->gfn.n > limit - asked->pages)
		return refuse(vm, -EINVAL,
			      "the slot lies beyond the host's physical-address width");
	return 0;
}

static int check_backing(const struct tdp_vm *vm, const struct tdp_memslot *asked)
{
	const struct tdp_backing *backing = asked->backing;
	uint64_t hva, bytes = asked->pages << TDP_PAGE_SHIFT;

	if (!backing || !backing->ops || !backing->ops->resolve || !backing->ops->level)
		return refuse(vm, -EINVAL, "a slot needs a backing that resolves pages");
	if (backing->bytes > ~0ULL - backing->hva)
		return refuse(vm, -EINVAL, "the backing goes beyond the last address");
	if ((unsigned int)backing->max_level > TDP_LEAF_LEVEL_MAX)
		return refuse(vm, -EINVAL, "a backing maps its memory by 4K, 2M or 1G");
	hva = asked->hva ? asked->hva : backing->hva;
	if (hva % TDP_PAGE_SIZE)
		return refuse(vm, -EINVAL, "a slot's hva is page aligned");
	if (hva < backing->hva || hva - backing->hva > backing->bytes ||
	    bytes > backing->bytes - (hva - backing->hva))
		return refuse(vm, -EINVAL, "the slot is larger than the backing behind it");
	return 0;
}

static uint64_t hva_of(const struct tdp_memslot *asked)
{
	return asked->hva || !asked->backing ? asked->hva : asked->backing->hva;
}

/* Does the slot already have the requested memory? */
static bool same_memory(const struct memslot *slot, const struct tdp_memslot *asked)
{
	const struct slot_memory *memory = &slot->memory[MEMORY_SHARED];

	return memory->source->backing == asked->backing &&
	       source_hva(memory->source, memory->first) == hva_of(asked);
}

static int check_against_present(const struct slot_change *change)
{
	const struct memslot *old = change->present, *new = &change->slot;

	if (old->pages != new->pages || !same_memory(old, change->asked) ||
	    old->read_only != new->read_only)
		return refuse(change->vm, -EINVAL,
			      "an existing slot can be moved, deleted or logged, nothing else");
	return 0;
}

static struct dirty_log *log_of(const struct memslot *slot)
{
	return slot ? slot->log : NULL;
}

static int check_overlap(const struct slot_change *change, const struct memslots *slots)
{
	const struct memslot *new = &change->slot;

	for (size_t i = 0; i < slots->count; i++) {
		const struct memslot *other = &slots->slot[i];

		if (other->id == new->id)
			continue;
		if (new->gfn.n < other->gfn.n + other->pages &&
		    other->gfn.n < new->gfn.n + new->pages)
			return refuse(change->vm, -EEXIST, "the slot overlaps another one");
	}
	return 0;
}

static struct memslot slot_of(const struct tdp_memslot *asked)
{
	return (struct memslot){
		.gfn = asked->gfn,
		.pages = asked->pages,
		.id = (uint16_t)asked->id,
		.address_space = (uint8_t)asked->address_space,
		.read_only = asked->read_only,
		.log_dirty = asked->log_dirty,
	};
}

static int check_change(struct slot_change *change, const struct memslots *slots)
{
	int err;

	if (!change->asked->pages)
		return change->present
			       ? 0
			       : refuse(change->vm, -ENOENT, "there is no such slot to delete");
	err = check_backing(change->vm, change->asked);
	if (!err && change->present)
		err = check_against_present(change);
	return err ? err : check_overlap(change, slots);
}

static struct dirty_log *create_log(const struct slot_change *change)
{
	const struct tdp_vm_config *config = &change->vm->config;

	return dirty_log_create(&(struct dirty_log_config){
		.host = change->vm->host,
		.pages = change->slot.pages,
		.rings = config->dirty_ring,
		.bitmap = !config->dirty_ring || config->dirty_ring_with_bitmap,
		.all_set = config->manual_protect == TDP_MANUAL_PROTECT_ALL_SET,
	});
}

/* Chooses the slot's log: its present one, which a move keeps, or a new one. */
static int prepare_log(struct slot_change *change)
{
	if (!change->asked->pages || !change->slot.log_dirty)
		return 0;
	change->slot.log = log_of(change->present);
	if (!change->slot.log)
		change->slot.log = create_log(change);
	return change->slot.log ? 0 : -ENOMEM;
}

/*
 * Chooses the source of the slot's pages: its present one; for a new slot that of anonymous
 * memory, or one over the program's own backing.
 */
static int prepare_source(struct slot_change *change)
{
	const struct tdp_memslot *asked = change->asked;
	struct slot_memory *memory = &change->slot.memory[MEMORY_SHARED];
	const struct tdp_anon *anon = anon_behind(asked->backing);

	if (!asked->pages)
		return 0;
	if (change->present) {
		*memory = change->present->memory[MEMORY_SHARED];
		change->slot.scripted = change->present->scripted;
	} else if (anon) {
		memory->source = &anon->source;
	} else {
		change->slot.scripted = scripted_create(change->vm->host, asked->backing);
		if (!change->slot.scripted)
			return -ENOMEM;
		memory->source = change->slot.scripted;
	}
	memory->first = (hva_of(asked) - memory->source->hva) >> TDP_PAGE_SHIFT;
	change->slot.max_level = memslot_max_level(&change->slot);
	return 0;
}

static struct page_source *source_of(const struct memslot *slot)
{
	return slot ? slot->scripted : NULL;
}

static void discard_new_source(const struct slot_change *change)
{
	if (change->slot.scripted && change->slot.scripted != source_of(change->present))
		scripted_destroy(change->vm->host, change->slot.scripted);
}

static void discard_new_log(const struct slot_change *change)
{
	if (change->slot.log != log_of(change->present))
		dirty_log_destroy(change->slot.log);
}

/* Does the change leave the slot where it is, and only set or clear a flag? */
static bool stays(const struct slot_change *change)
{
	return change->present && change->asked->pages &&
	       change->present->gfn.n == change->slot.gfn.n;
}

static int prepare_arrays(struct slot_change *change, const struct memslots *slots)
{
	struct guest_memory *memory = &change->vm->memory;

	change->final = memslots_copy(memory, slots, 1);
	if (!change->final)
		return -ENOMEM;
	if (stays(change)) {
		struct memslot *slot = &change->final->slot[change->present - slots->slot];

		slot->log_dirty = change->slot.log_dirty;
		slot->log = change->slot.log;
		return 0;
	}
	if (change->present) {
		change->marked = memslots_copy(memory, slots, 0);
		if (!change->marked) {
			memslots_discard(change->final);
			return -ENOMEM;
		}
		/* The copy has the slot at the same index. */
		change->marked->slot[change->present - slots->slot].invalid = true;
		memslots_remove(change->final, change->slot.id);
	}
	if (change->asked->pages)
		memslots_insert(change->final, &change->slot);
	return 0;
}

static int prepare(struct slot_change *change, const struct memslots *slots)
{
	int err = prepare_source(change);

	if (err)
		return err;
	err = prepare_log(change);
	if (err)
		goto discard_source;
	err = prepare_arrays(change, slots);
	if (err)
		goto discard_log;
	return 0;

discard_log:
	discard_new_log(change);
discard_source:
	discard_new_source(change);
	return err;
}

/* Zaps only the slot's own leaves: quirk SLOT_ZAP_ALL is off (since 6.12). */
static void zap_slot_leaves(struct mmu_actor *task, const struct memslot *slot)
{
	struct gfn_range range = {slot->gfn, tdp_gfn(slot->gfn.n + slot->pages)};
	struct mmu_exclusive exclusive = mmu_lock_exclusive(task);

	if (mmu_zap_leaves_in(exclusive, ROOTS_ALL, slot->address_space, range, true))
		mmu_flush_all(task);
	mmu_unlock_exclusive(exclusive);
}

static void drop_mappings(struct tdp_vm *vm, struct mmu_actor *task, const struct memslot *slot)
{
	if (vm->mmu.policy.slot_zap_all == TDP_ON)
		mmu_zap_all_fast(task);
	else
		zap_slot_leaves(task, slot);
}

/* When the generation wraps, an old MMIO entry must not match the new generation. */
static bool generation_wrapped(struct tdp_vm *vm, unsigned int address_space)
{
	uint64_t generation = memslots_generation(memslots_of(&vm->memory, address_space));

	return !(generation & vm->mmu.encoding.mmio_generation_mask &
		 ~(uint64_t)(vm->config.address_spaces - 1));
}

/* Publishes without a task: it waits for open invalidations, and those need a task to end. */
static void publish(struct tdp_vm *vm, unsigned int address_space, struct memslots *slots)
{
	struct mmu_actor *task;

	memslots_publish(&vm->memory, address_space, slots);
	if (!generation_wrapped(vm, address_space))
		return;
	task = mmu_task_get(&vm->mmu);
	mmu_zap_all_fast(task);
	mmu_task_put(task);
}

/*
 * Logging was switched on or off. If the slot was not mapped before, or is read-only, only
 * the CPUs' own logs have to follow.
 */
static void follow_flag(struct tdp_vm *vm, const struct memslot *slot, bool logged, bool mapped)
{
	struct mmu_actor *task = mmu_task_get(&vm->mmu);

	cpu_logs_switch(task, logged);
	if (mapped && !slot->read_only) {
		if (logged)
			mmu_dirty_log_enabled(task, slot);
		else
			mmu_dirty_log_disabled(task, slot);
	}
	mmu_task_put(task);
}

static void carry_out(struct slot_change *change)
{
	struct tdp_vm *vm = change->vm;
	unsigned int address_space = change->asked->address_space;
	struct dirty_log *old_log = log_of(change->present);
	struct page_source *old_source = source_of(change->present);
	bool flag_only = stays(change);
	bool log_begins = flag_only && change->slot.log && !old_log;

	if (change->present && !flag_only) {
		struct memslot old = *change->present; /* freed by publishing */
		struct mmu_actor *task;

		publish(vm, address_space, change->marked);
		task = mmu_task_get(&vm->mmu);
		drop_mappings(vm, task, &old);
		mmu_task_put(task);
	}
	if (log_begins)
		mmu_dirty_pass_begin(&vm->mmu);
	publish(vm, address_space, change->final);
	if (old_log != change->slot.log)
		dirty_log_destroy(old_log);
	if (old_source && old_source != change->slot.scripted)
		scripted_destroy(vm->host, old_source);
	if (!old_log != !change->slot.log)
		follow_flag(vm, memslot_by_id(change->final, change->asked->id),
			    change->slot.log != NULL, flag_only);
	if (log_begins)
		mmu_dirty_pass_end(&vm->mmu);
}

static int set_locked(struct tdp_vm *vm, const struct tdp_memslot *asked)
{
	const struct memslots *slots = memslots_of(&vm->memory, asked->address_space);
	struct slot_change change = {
		.vm = vm,
		.asked = asked,
		.slot = slot_of(asked),
		.present = memslot_by_id(slots, asked->id),
	};
	int err = check_change(&change, slots);

	if (err)
		return err;
	if (stays(&change) && change.present->log_dirty == asked->log_dirty)
		return 0; /* nothing changes */
	err = prepare(&change, slots);
	if (!err)
		carry_out(&change);
	return err;
}

int tdp_vm_set_memslot(struct tdp_vm *vm, const struct tdp_memslot *given)
{
	struct tdp_memslot asked;
	int err;

	err = host_read_sized(vm->host, "slot", &asked, sizeof(asked),
			      SIZED_FIRST(struct tdp_memslot), given);
	if (!err)
		err = check_shape(vm, &asked);
	if (err)
		return err;
	mutex_lock(&vm->memory.slots_lock);
	err = set_locked(vm, &asked);
	mutex_unlock(&vm->memory.slots_lock);
	return err;
}

uint64_t tdp_vm_memslot_generation(struct tdp_vm *vm)
{
	uint64_t generation;

	mutex_lock(&vm->memory.slots_lock);
	generation = memslots_generation(memslots_of(&vm->memory, 0));
	mutex_unlock(&vm->memory.slots_lock);
	return generation;
}
