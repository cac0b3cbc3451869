/*
 * Ages: how often a frame was allocated and freed, kept under `check` only
 *
 * An access through a stale translation may use a frame that has a new owner by now, or
 * the same owner once more. Only the frame's age shows that. Each allocation or free of a
 * block adds one to a counter of the block, at the block's level; a frame's age is the sum
 * of the counters of the blocks that hold it. So a frame is allocated while one of its
 * three counters is odd, and was not freed in between if the sum is unchanged.
 *
 * Order: relaxed. Whatever passes the frame from one owner to the next orders allocation
 * and free; an actor that owns the frame cannot see its age change.
 */
#ifndef TDPSIM_HOST_AGE_H
#define TDPSIM_HOST_AGE_H

#include "host/host.h"

/* Keeps no ages without `check`. -ENOMEM. */
int ages_init(struct tdp_host *host);
void ages_fini(struct tdp_host *host);

void age_changed(struct tdp_host *host, tdp_pfn_t pfn, unsigned int level);
/* The page's content was discarded, but its owner keeps the block. */
void age_discarded(struct tdp_host *host, tdp_pfn_t pfn);

/* Only under `check`, for data frames. */
uint64_t frame_age(const struct tdp_host *host, tdp_pfn_t pfn);
/* Is the frame allocated? Always true for frames that the host never allocates. */
bool frame_is_out(const struct tdp_host *host, tdp_pfn_t pfn);

#endif
