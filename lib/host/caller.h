/*
 * The host's own dealings with its callers; what callers use is in host.h.
 */
#ifndef TDPSIM_HOST_CALLER_H
#define TDPSIM_HOST_CALLER_H

#include "host/host.h"

/* Ends the idle ones. All others have ended. */
void callers_fini(struct tdp_host *host);

/* Table frames at hand in all callers' caches. */
uint64_t callers_cached_frames(struct tdp_host *host);

#endif
