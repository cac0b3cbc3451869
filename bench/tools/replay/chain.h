/*
 * The changes of each entry of a stretch, in an order in which they follow from each other.
 *
 * The kernel prints a change after it made it, and the many changes of one call one after
 * the other while vCPUs go on. So the order of the lines is not that of the changes.
 */
#ifndef REPLAY_CHAIN_H
#define REPLAY_CHAIN_H

#include "stretch.h"

/*
 * Ranks all events of the stretch. The changes and repairs of one entry are put into an
 * order in which each finds what the one before it left, as far as that can be, and the
 * groups that made them are ordered alike. -ENOMEM.
 */
int chain_rank_events(struct stretch *stretch);

#endif
