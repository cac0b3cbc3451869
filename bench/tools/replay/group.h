/*
 * Which events of a stretch belong to one fault or one call of the host, and at which of
 * them the group is played: where it first changed an entry, else where the fast path
 * repaired one, else at its return (a call of the host: where it was made).
 */
#ifndef REPLAY_GROUP_H
#define REPLAY_GROUP_H

#include "stretch.h"

/* Fills the stretch's groups. -ENOMEM. */
int group_events(struct stretch *stretch);

#endif
