/*
 * Sparse mappings for the host's RAM, and for other large arrays of which little is ever
 * touched: a mapping reserves address space, and the first touch allocates memory.
 */
#ifndef TDPSIM_HOST_WINDOW_H
#define TDPSIM_HOST_WINDOW_H

#include <tdpsim/host.h>

/*
 * -EOPNOTSUPP, with a report, if this build or machine cannot map such a host.
 * `overcommit` is the value of vm.overcommit_memory.
 */
int window_check(const struct tdp_host_config *config, int overcommit);

/* The machine's vm.overcommit_memory; 0 if it cannot be read. */
int window_overcommit(void);

/* A zeroed sparse mapping, aligned to 2 MiB; NULL if there is no such address space. */
void *window_map(uint64_t bytes);
void window_unmap(void *window, uint64_t bytes);

/* Advises the kernel how to back the regions of the host's RAM. Advice cannot fail. */
void window_advise(void *window, uint64_t table_bytes, uint64_t data_offset, uint64_t data_bytes);

#endif
