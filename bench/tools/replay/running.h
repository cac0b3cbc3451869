/*
 * The accesses of vCPUs that run at once. No line shows where an access ends: that is
 * somewhere between its last fault and the next marker of its thread. It ends as late as
 * possible, but before an entry changes whose old value shows its accessed or dirty flag,
 * and before its entry is removed.
 */
#ifndef REPLAY_RUNNING_H
#define REPLAY_RUNNING_H

#include "stretch.h"

/* An access begins at its line, event `access`. */
void running_begin(struct stretch *stretch, size_t access);
/* A marker ends the interval of the accesses of its thread. */
void running_end_interval(struct stretch *stretch, const struct event *marker);
void running_end_all(struct stretch *stretch);
/* Before a group is played: ends the accesses whose flags it shows, or that it would stop. */
void running_before_group(struct stretch *stretch, const struct group *group);
/* The same before a step of a call. */
void running_before_step(struct stretch *stretch, const struct group *step);

#endif
