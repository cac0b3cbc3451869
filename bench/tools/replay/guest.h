/*
 * Runs the accesses of the guest, each with all the faults that it takes.
 */
#ifndef REPLAY_GUEST_H
#define REPLAY_GUEST_H

#include "replay.h"

/* The access whose line is under the cursor. */
void guest_access(struct replay *replay);
/* The warm-up of every vCPU. */
void guest_warm(struct replay *replay);

#endif
