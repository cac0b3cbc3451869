/*
 * Ages: how often a frame has changed hands, kept under `check` only
 *
 * Who used a frame by a translation that should be gone by now finds it with
 * another owner, or with the same one again: only its age tells. Each block that is
 * handed out or given back counts one, at its own level; a frame's age is the sum of
 * those that hold it. So it is out while one of the three is odd, and has stayed out
 * while the sum stays the same.
 *
 * Order: relaxed. Taking and giving back are ordered by whatever passes the frame
 * on; who has the frame rightly cannot see its age move.
 */
#ifndef TDPSIM_HOST_AGE_H
#define TDPSIM_HOST_AGE_H

#include "host/host.h"

/* Without `check` nothing is kept. -ENOMEM. */
int ages_init(struct tdp_host *host);
void ages_fini(struct tdp_host *host);

void age_changed(struct tdp_host *host, tdp_pfn_t pfn, unsigned int level);
/* The page stays in its owner's block, but what was in it is gone. */
void age_discarded(struct tdp_host *host, tdp_pfn_t pfn);

/* Only under `check`, for data frames. */
uint64_t frame_age(const struct tdp_host *host, tdp_pfn_t pfn);
/* Has somebody got it? Always true of what is no memory to be handed out. */
bool frame_is_out(const struct tdp_host *host, tdp_pfn_t pfn);

#endif
