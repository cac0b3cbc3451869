/*
 * What the host does to its memory, or the kernel to the VM's tables, on its own: an unmap,
 * ageing, a round of NX recovery.
 */
#ifndef REPLAY_ACT_H
#define REPLAY_ACT_H

#include "replay.h"

bool act_recognises(const struct event *event);
/* Takes the event under the cursor and does what it says. */
void act_perform(struct replay *replay, const struct event *event);
void act_unmap(struct replay *replay, const struct event *event);

#endif
