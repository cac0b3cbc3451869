/*
 * Allocates metadata by a config alone, before there is a host. host_allocate() and
 * host_release() use these functions and count the bytes.
 */
#ifndef TDPSIM_HOST_ALLOCATE_H
#define TDPSIM_HOST_ALLOCATE_H

#include "host/host.h"

void *config_allocate(const struct tdp_host_config *config, size_t alignment, size_t bytes);
void config_release(const struct tdp_host_config *config, void *memory, size_t bytes);

#endif
