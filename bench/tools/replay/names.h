/*
 * Which page table of the simulator stands for which one of the trace: a name is a pair of
 * their frame numbers.
 *
 * A table has a name from the line that links it (for a root: that loads it) to the line
 * that unlinks it. In between, frames of the trace and of the simulator map one to one.
 * Kernels reuse freed frames, so no name outlives its table.
 *
 * Data frames need no names: the frame that the script answers with lies at a fixed
 * distance from the trace's own (data_base).
 */
#ifndef REPLAY_NAMES_H
#define REPLAY_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct name {
	uint64_t theirs, ours; /* frame numbers */
	bool root;
};

struct names {
	struct name *live;
	size_t count, room;
	uint64_t data_base; /* ours = theirs + data_base */
};

void names_free(struct names *names);

/* Names a new table. False if either frame has a name already, or without memory. */
bool names_begin(struct names *names, uint64_t theirs, uint64_t ours, bool root);
/* Are the two the same table? */
bool names_match(const struct names *names, uint64_t theirs, uint64_t ours);
void names_end(struct names *names, uint64_t ours);
/* All roots are invalid: the next ones loaded get new names. */
void names_end_roots(struct names *names);

#endif
