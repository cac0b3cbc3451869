/* Dirty logging: a slot's flag changes. See dirty.h. */
#include "mmu/dirty.h"

void mmu_dirty_log_enabled(struct mmu_actor *task, const struct memslot *slot)
{
	(void)task;
	(void)slot;
}

void mmu_dirty_log_disabled(struct mmu_actor *task, const struct memslot *slot)
{
	(void)task;
	(void)slot;
}
