/* Anonymous memory of the host's process: a page source over a page map. */
#ifndef TDPSIM_GUEST_ANON_H
#define TDPSIM_GUEST_ANON_H

#include "guest/source.h"

struct tdp_anon {
	struct tdp_host *host; /* immutable, as is everything here but the map's records */
	struct tdp_anon_config config;
	struct tdp_backing backing; /* how the public interface names this memory */
	struct page_source source;
	struct page_map map;
};

/* The mapping that offers `backing`; NULL if none does. */
const struct tdp_anon *anon_behind(const struct tdp_backing *backing);

#endif
