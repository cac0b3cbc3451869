/*
 * Folios: 4K, 2M or 1G of data memory in one piece, aligned to its size. Where
 * one came from, and so must go back to, follows from its frame number.
 */
#ifndef TDPSIM_HOST_FOLIO_H
#define TDPSIM_HOST_FOLIO_H

#include "host/frame.h"

enum folio_source {
	FOLIO_FREE,	/* what is free for all */
	FOLIO_RESERVED, /* pages set aside; the caller has reserved this one (hugetlb.h) */
};

/*
 * From `node` (-1: the caller's), else from any other. What the memory holds is
 * undefined. -ENOMEM, also if the fail hook says so.
 */
int folio_alloc(struct host_caller *caller, int node, unsigned int level, enum folio_source source,
		tdp_pfn_t *pfn);
void folio_free(struct tdp_host *host, tdp_pfn_t pfn, unsigned int level);

#endif
