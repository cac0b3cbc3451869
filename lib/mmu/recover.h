/*
 * Recovery: huge leaves in place of tables, when a slot is no longer logged
 *
 * Where slot and host allow a huge leaf over the whole of a table, policy `recovery` decides:
 *
 *   in place: replaces the table by a huge leaf made from the first leaf in it (6.13), so the guest
 *   does not fault again. Pages that were not mapped in the table are mapped from then on, which is
 *   right because the host maps all of them at that level.
 *   zap: removes the table; faults map huge leaves again (until 6.12).
 *
 * Either way a table leaves a valid root, so the flush is made before the RCU section ends
 * (flush.h).
 */
#ifndef TDPSIM_MMU_RECOVER_H
#define TDPSIM_MMU_RECOVER_H

#include "mmu/held.h"

/*
 * For a slot that was published without its flag, so that no fault maps it small for the sake of
 * the log any more. Takes mmu_lock shared; yields. slots_lock is held.
 */
void mmu_recover_slot(struct mmu_actor *task, const struct memslot *slot);

#endif
