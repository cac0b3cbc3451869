/* Public functions of the dirty log: they find the slot and check the range. */
#include <tdpsim/dirty.h>

#include <errno.h>

#include "guest/dirty_ring.h"
#include "host/report.h"
#include "mmu/cpu_log.h"
#include "mmu/dirty.h"
#include "mmu/ring.h"
#include "mmu/ring_reset.h"
#include "vm/vm.h"

static int refuse(const struct tdp_vm *vm, int err, const char *reason)
{
	host_report(vm->host, "%s", reason);
	return err;
}

static bool has_bitmaps(const struct tdp_vm *vm)
{
	return !vm->config.dirty_ring || vm->config.dirty_ring_with_bitmap;
}

/* slots_lock is held. */
static int find_logged(struct tdp_vm *vm, unsigned int address_space, unsigned int id,
		       const struct memslot **slot)
{
	if (!has_bitmaps(vm))
		return refuse(vm, -ENXIO, "the VM's dirty log is in rings, it has no bitmaps");
	if (address_space >= vm->config.address_spaces || id >= TDP_MEMSLOTS)
		return refuse(vm, -EINVAL, "the VM has no such address space, or no such slot id");
	*slot = memslot_by_id(memslots_of(&vm->memory, address_space), id);
	if (!*slot || !(*slot)->log_dirty)
		return refuse(vm, -ENOENT, "there is no such slot, or it is not logged");
	return 0;
}

static int get_locked(struct tdp_vm *vm, unsigned int address_space, unsigned int id,
		      uint64_t *bitmap, size_t words)
{
	const struct memslot *slot;
	struct mmu_actor *task;
	int err = find_logged(vm, address_space, id, &slot);

	if (err)
		return err;
	if (words < slot->log->words)
		return refuse(vm, -EINVAL, "the bitmap is smaller than the slot's");
	task = mmu_task_get(&vm->mmu);
	mmu_dirty_log_read(task, slot, bitmap);
	mmu_task_put(task);
	return 0;
}

int tdp_vm_get_dirty_log(struct tdp_vm *vm, unsigned int address_space, unsigned int slot,
			 uint64_t *bitmap, size_t words)
{
	int err;

	mutex_lock(&vm->memory.slots_lock);
	err = get_locked(vm, address_space, slot, bitmap, words);
	mutex_unlock(&vm->memory.slots_lock);
	return err;
}

static int check_range(const struct tdp_vm *vm, const struct memslot *slot, uint64_t first,
		       uint64_t pages)
{
	if (first > slot->pages || pages > slot->pages - first)
		return refuse(vm, -EINVAL, "the range to clear goes beyond the slot");
	if (first % LOG_WORD_PAGES || (pages % LOG_WORD_PAGES && first + pages != slot->pages))
		return refuse(vm, -EINVAL, "a range to clear begins and ends at words of the log");
	return 0;
}

static int clear_locked(struct tdp_vm *vm, unsigned int address_space, unsigned int id,
			uint64_t first, uint64_t pages, const uint64_t *bitmap)
{
	const struct memslot *slot;
	struct mmu_actor *task;
	int err = find_logged(vm, address_space, id, &slot);

	if (!err)
		err = check_range(vm, slot, first, pages);
	if (err)
		return err;
	task = mmu_task_get(&vm->mmu);
	mmu_dirty_log_clear(task, slot, first, pages, bitmap);
	mmu_task_put(task);
	return 0;
}

int tdp_vm_clear_dirty_log(struct tdp_vm *vm, unsigned int address_space, unsigned int slot,
			   uint64_t first, uint64_t pages, const uint64_t *bitmap)
{
	int err;

	mutex_lock(&vm->memory.slots_lock);
	err = clear_locked(vm, address_space, slot, first, pages, bitmap);
	mutex_unlock(&vm->memory.slots_lock);
	return err;
}

/* Moves the pages in the CPU's own log to the ring first. */
static void fill_ring(struct tdp_vcpu *vcpu)
{
	struct mmu_actor *task = mmu_task_get(&vcpu->vm->mmu);

	if (vcpu->vm->mmu.policy.exit_keeps_log != TDP_ON)
		cpu_log_drain_now(task, &vcpu->context);
	mmu_task_put(task);
}

size_t tdp_vcpu_harvest_dirty_ring(struct tdp_vcpu *vcpu, struct tdp_dirty_page *pages,
				   size_t count)
{
	struct dirty_ring *ring = vcpu->context.dirty_ring;
	struct dirty_ring_entry entry;
	size_t taken = 0;

	if (!ring)
		return 0;
	fill_ring(vcpu);
	while (taken < count && dirty_ring_harvest(ring, &entry))
		pages[taken++] = (struct tdp_dirty_page){
			.address_space = entry.address_space,
			.slot = entry.slot,
			.offset = entry.offset,
		};
	return taken;
}

int tdp_vm_reset_dirty_rings(struct tdp_vm *vm, uint64_t *count)
{
	struct mmu_actor *task;
	uint64_t recycled;

	if (!vm->config.dirty_ring)
		return refuse(vm, -EINVAL, "the VM has no dirty rings");
	mutex_lock(&vm->memory.slots_lock);
	task = mmu_task_get(&vm->mmu);
	recycled = mmu_dirty_rings_reset(task);
	mmu_task_put(task);
	mutex_unlock(&vm->memory.slots_lock);
	if (count)
		*count = recycled;
	return 0;
}
