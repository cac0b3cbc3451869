/*
 * Which group of a stretch comes before which.
 */
#ifndef REPLAY_ORDER_H
#define REPLAY_ORDER_H

#include "stretch.h"

/* Group `before` comes before group `after`; indices. -ENOMEM. */
int order_require(struct stretch *stretch, size_t before, size_t after);
/* Gives each group that must come before another a lower rank than that one. */
void order_lower_ranks(struct stretch *stretch);

#endif
