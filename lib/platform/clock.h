/*
 * Time in nanoseconds: the machine's (monotonic) and the acting actor's own. In
 * virtual time both are the actor's clock.
 */
#ifndef TDPSIM_PLATFORM_CLOCK_H
#define TDPSIM_PLATFORM_CLOCK_H

#include <stdint.h>

uint64_t clock_now(void);
uint64_t clock_cpu_now(void);

#endif
