/*
 * Which event of a stretch an event of the simulator corresponds to.
 *
 * Compared are, for each entry (address space, gfn, level), its transitions in their order
 * and its repairs by the fast path, and the dirty marks of each gfn. What a race decides is
 * not compared: the order between entries, which vCPU faulted, how often, and with what
 * result.
 */
#ifndef REPLAY_MEET_H
#define REPLAY_MEET_H

#include "stretch.h"

/* Compares an event of the simulator with the one that it meets. True if it meets a change. */
bool meet_event(struct stretch *stretch, const struct event *ours);
/* Notes as a difference each event before `end` that the simulator should have made. */
void meet_rest(struct stretch *stretch, size_t end);

#endif
