/* Steps of switching the log of a slot. See inside.h. */
#include "support/inside.h"

#include "mmu/split.h"

const struct memslot *inside_slot(const struct guest *guest, unsigned int id)
{
	const struct memslot *slot = memslot_by_id(memslots_of(&guest->vm->memory, 0), id);

	assert_non_null(slot);
	return slot;
}

void inside_do(struct guest *guest, unsigned int id, inside_call *call)
{
	struct mmu_actor *task;

	mutex_lock(&guest->vm->memory.slots_lock);
	task = mmu_task_get(&guest->vm->mmu);
	call(task, inside_slot(guest, id));
	mmu_task_put(task);
	mutex_unlock(&guest->vm->memory.slots_lock);
}

void inside_log(struct guest *guest, unsigned int id, bool on)
{
	const struct memslot *now = inside_slot(guest, id);
	struct tdp_memslot slot = {
		.id = id,
		.gfn = now->gfn,
		.pages = now->pages,
		.backing = now->memory[MEMORY_SHARED].source->backing,
		.hva = source_hva(now->memory[MEMORY_SHARED].source,
				  now->memory[MEMORY_SHARED].first),
		.read_only = now->read_only,
		.log_dirty = on,
	};

	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
}

const struct mmu_actor *inside_section(const struct guest *guest)
{
	const struct mmu_actor *task = ptr_load_seq_cst(&guest->vm->mmu.tasks.all);

	while (task && !rcu_inside(&task->caller.rcu))
		task = task->next_task;
	return task;
}

void inside_split_masked(struct guest *guest, uint64_t offset, uint64_t mask)
{
	struct mmu_actor *task = mmu_task_get(&guest->vm->mmu);
	struct mmu_exclusive exclusive = mmu_lock_exclusive(task);

	mmu_split_masked(exclusive, inside_slot(guest, 1), offset, mask);
	mmu_unlock_exclusive(exclusive);
	mmu_task_put(task);
}

struct guest *inside_mapped(void **state, const struct guest_config *config, enum tdp_level level,
			    uint64_t pages)
{
	struct guest *guest = guest_make_as(state, config);

	guest_slot(guest, 1, INSIDE_AT, pages, 0);
	guest->script.level = level;
	for (uint64_t page = 0; page < pages; page += tdp_level_pages(level))
		guest_touch(guest, INSIDE_AT + page + 5, TDP_WRITE);
	guest_forget(guest);
	return guest;
}

uint64_t inside_value(const struct guest *guest, uint64_t npt, uint64_t ept)
{
	return guest->config.vm.format == TDP_EPT ? ept | guest_nonpresent(guest) : npt;
}

void inside_check_leaves(const struct guest *guest, uint64_t gfn, uint64_t pages,
			 enum tdp_level level, uint64_t bits)
{
	uint64_t base = tdp_host_carveout(guest->host).n - INSIDE_AT;

	for (uint64_t past = gfn + pages; gfn < past; gfn += tdp_level_pages(level)) {
		struct tdp_walk_result walk = guest_walk(guest, gfn, TDP_READ);

		assert_int_equal(walk.outcome, TDP_WALK_DONE);
		assert_int_equal(walk.level, level);
		assert_int_equal(walk.entry, (base + gfn) << TDP_PAGE_SHIFT | bits);
	}
}
