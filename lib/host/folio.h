/*
 * Folios: 4K, 2M or 1G of contiguous data memory, aligned to its size. The frame number
 * says which pool a folio came from and returns to.
 */
#ifndef TDPSIM_HOST_FOLIO_H
#define TDPSIM_HOST_FOLIO_H

#include "host/frame.h"

enum folio_source {
	FOLIO_FREE,	/* the general free memory */
	FOLIO_RESERVED, /* the huge-page pool; the caller has reserved this page (hugetlb.h) */
};

/*
 * Allocates from `node` (-1: the caller's), else from any other node. The content is
 * undefined. -ENOMEM, also if the fail hook says so.
 */
int folio_alloc(struct host_caller *caller, int node, unsigned int level, enum folio_source source,
		tdp_pfn_t *pfn);
void folio_free(struct tdp_host *host, tdp_pfn_t pfn, unsigned int level);

#endif
