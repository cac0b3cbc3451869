/*
 * The loop over a trace's events: inputs are driven, and what the simulator then does must
 * be what stands next in the trace.
 */
#ifndef REPLAY_DRIVE_H
#define REPLAY_DRIVE_H

#include "replay.h"

/*
 * Replays `trace` as `settings` say, with the checker on if `check`. What came of it stands
 * in *replay, to be freed with replay_free().
 */
void drive_trace(struct replay *replay, const struct trace *trace, const struct settings *settings,
		 bool check);

#endif
