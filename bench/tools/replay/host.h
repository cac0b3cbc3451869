/*
 * The calls of the program under KVM: slots, registers set from outside, and the module's
 * parameters.
 */
#ifndef REPLAY_HOST_H
#define REPLAY_HOST_H

#include "replay.h"

/* True, and the replay stopped, if the call needs a missing feature. */
bool host_region_needs_feature(struct replay *replay, const struct event *event);
void host_set_region(struct replay *replay, const struct event *event);
void host_set_sregs(struct replay *replay, const struct event *event);
void host_set_parameter(struct replay *replay, const struct event *event);
/*
 * The fast zap under the cursor is the effect of a write to the module's parameter, whose
 * line stands behind it.
 */
void host_toggle_nx(struct replay *replay);

#endif
