/*
 * What the host itself does with its callers; host.h declares what callers use.
 */
#ifndef TDPSIM_HOST_CALLER_H
#define TDPSIM_HOST_CALLER_H

#include "host/host.h"

/* Ends the idle callers. All other callers must have ended before. */
void callers_fini(struct tdp_host *host);

/* The number of table frames in all callers' caches. */
uint64_t callers_cached_frames(struct tdp_host *host);

#endif
