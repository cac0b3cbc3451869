/* An actor lets the others act for some time. */
#ifndef TDPSIM_PLATFORM_VIRTUAL_YIELD_H
#define TDPSIM_PLATFORM_VIRTUAL_YIELD_H

#include <stdint.h>

/* The acting one lets others act, for so many ticks. */
void scheduler_pass(uint64_t ticks);

#endif
