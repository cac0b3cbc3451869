/* Yielding to the other actors for some time. */
#ifndef TDPSIM_PLATFORM_VIRTUAL_YIELD_H
#define TDPSIM_PLATFORM_VIRTUAL_YIELD_H

#include <stdint.h>

/* The acting actor's clock advances by `ticks`, and the actors that are due first act first. */
void scheduler_pass(uint64_t ticks);

#endif
