/*
 * Plays a stretch of a trace in which several vCPUs run at once: its faults and calls one
 * after the other, in an order that the trace allows (schedule.h), and in between the ends
 * of accesses (running.h).
 *
 * A fault that mapped nothing, or ended in RETRY, is left out. It found its work done, or
 * lost a race that it would not lose if it were run at one moment.
 */
#ifndef REPLAY_PARALLEL_H
#define REPLAY_PARALLEL_H

#include "replay.h"

/* From the PHASE line under the cursor to the next one. */
void parallel_run(struct replay *replay);

#endif
