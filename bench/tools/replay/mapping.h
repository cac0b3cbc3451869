/*
 * What the simulator's own tables hold now.
 */
#ifndef REPLAY_MAPPING_H
#define REPLAY_MAPPING_H

#include "replay.h"

#include <tdpsim/iter.h>

/* The leaf that maps `gpa`; false if none does. */
bool mapping_leaf(struct replay *replay, unsigned int as_id, uint64_t gpa, struct tdp_entry *leaf);
/* The frame that `gpa` is mapped to, or 0. */
uint64_t mapping_frame(struct replay *replay, unsigned int as_id, uint64_t gpa);
/* The entry of `gfn` at `level`, or 0 if there is no table for it. */
uint64_t mapping_entry(struct replay *replay, unsigned int as_id, uint64_t gfn, unsigned int level);

#endif
