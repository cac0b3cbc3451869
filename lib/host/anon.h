/*
 * Anonymous memory, inside: the mapping and the map of its pages.
 *
 * Memory is allocated by pages of the mapping's size, or by 2M extents under 4K pages
 * (TDP_ANON_EXTENTS).
 */
#ifndef TDPSIM_HOST_ANON_H
#define TDPSIM_HOST_ANON_H

#include "host/page_map.h"

struct tdp_anon {
	struct tdp_host *host; /* immutable, as is all but the map */
	struct tdp_anon_config config;
	struct tdp_backing backing; /* the mapping as users see it */
	enum folio_source source;
	struct page_map map;
};

/* The mapping that offers `backing`; NULL if the backing is another's. */
struct tdp_anon *anon_behind(const struct tdp_backing *backing);

#endif
