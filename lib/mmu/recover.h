/*
 * Recovery: huge leaves in place of tables, when a slot is no longer logged
 *
 * Where slot and host allow a huge leaf over the whole of a table, policy `recovery`
 *
 *   in place   makes it from the first leaf that is there (6.13): the guest faults no
 *              more. What was not mapped in the table is mapped from then on, which is
 *              right, because the host maps all of it at that level.
 *   zap        takes the table away; faults map huge leaves again (until 6.12).
 *
 * Either way a table leaves a valid root, so the flush is made before the RCU section
 * ends (flush.h).
 */
#ifndef TDPSIM_MMU_RECOVER_H
#define TDPSIM_MMU_RECOVER_H

#include "mmu/held.h"

/*
 * For a slot that was published without its flag, so that no fault maps it small for
 * the log's sake any more. Takes mmu_lock shared, gives way. slots_lock is held.
 */
void mmu_recover_slot(struct mmu_actor *task, const struct memslot *slot);

#endif
