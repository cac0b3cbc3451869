/*
 * A host's config: its fields are checked, and defaults filled in, before it is used.
 */
#ifndef TDPSIM_HOST_CONFIG_H
#define TDPSIM_HOST_CONFIG_H

#include <tdpsim/host.h>

#define MIB	   ((uint64_t)1 << 20)
#define GIB	   ((uint64_t)1 << 30)
#define HOST_NODES 64

/*
 * Copies `given` (NULL: the defaults) to *used with every default filled in.
 * -EINVAL, with a report, if a field is out of its range; *used is then undefined.
 */
int config_complete(const struct tdp_host_config *given, struct tdp_host_config *used);

/* First frame behind the tables where 1 GiB pages can lie. */
static inline uint64_t config_data_first(const struct tdp_host_config *config)
{
	return ((config->table_bytes + GIB - 1) & ~(GIB - 1)) >> TDP_PAGE_SHIFT;
}

#endif
