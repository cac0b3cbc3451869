/*
 * A page source over a backing that a program scripts itself (struct tdp_backing): the one place
 * where the page numbers of a source become the addresses that the program's functions take.
 */
#ifndef TDPSIM_GUEST_SCRIPTED_H
#define TDPSIM_GUEST_SCRIPTED_H

#include "guest/source.h"

/* For one slot, to be ended with scripted_destroy(). Page n lies at address n << 12. NULL: no
 * memory. */
struct page_source *scripted_create(struct tdp_host *host, const struct tdp_backing *backing);
void scripted_destroy(struct tdp_host *host, struct page_source *source);

#endif
