/*
 * Calls that turn a slot's dirty logging on or off while vCPUs run. The call takes time: it
 * publishes the new flag first and then changes entries, up the slot, with mmu_lock shared.
 * So each fault beside it is put on the side of the flag that it saw (a fault that maps a
 * page for writing marks it dirty if, and only if, its slot is logged), and among the
 * call's changes as the entries demand.
 *
 * The marks of two kinds of fault are not compared. One saw the new flag before the call's
 * first change: it is played before the call. The other replaced what another fault had
 * just mapped, after it had looked up its slot: when it did that does not follow from when
 * it mapped.
 */
#ifndef REPLAY_CALLS_H
#define REPLAY_CALLS_H

#include "stretch.h"

/* From now on, whether the fault marks pages dirty is not compared. */
void calls_excuse(struct stretch *stretch, struct group *fault);
/* Puts faults on the side of a change of log_dirty on which they saw the flag. -ENOMEM. */
int calls_order(struct stretch *stretch);

#endif
