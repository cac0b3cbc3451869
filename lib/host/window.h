/*
 * The host's RAM, and other large arrays of which little is ever touched, as
 * sparse mappings: address space is reserved, memory comes with the first touch.
 */
#ifndef TDPSIM_HOST_WINDOW_H
#define TDPSIM_HOST_WINDOW_H

#include <tdpsim/host.h>

/*
 * -EOPNOTSUPP, with a report, if this build or machine cannot map such a host.
 * `overcommit` is what the kernel says in vm.overcommit_memory.
 */
int window_check(const struct tdp_host_config *config, int overcommit);

/* The machine's vm.overcommit_memory; 0 if it does not tell. */
int window_overcommit(void);

/* Zeroed and sparse, aligned to 2 MiB; NULL if the address space is not to be had. */
void *window_map(uint64_t bytes);
void window_unmap(void *window, uint64_t bytes);

/* How the regions of the host's RAM are to be backed; advice, so it cannot fail. */
void window_advise(void *window, uint64_t table_bytes, uint64_t data_offset, uint64_t data_bytes);

#endif
