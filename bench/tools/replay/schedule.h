/*
 * In which order the groups of a stretch are played:
 *
 * - The changes of one entry follow from each other (chain.h), and so do their groups.
 * - Faults come on the side of a change of log_dirty on which they saw the flag (calls.h).
 * - What one task did stays in the order in which it did it.
 * - Otherwise the lines decide.
 */
#ifndef REPLAY_SCHEDULE_H
#define REPLAY_SCHEDULE_H

#include "stretch.h"

/* Fills the stretch's groups and their order. -ENOMEM. */
int schedule_groups(struct stretch *stretch);

#endif
