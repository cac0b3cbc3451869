/*
 * Ageing by another task whose lines stand apart.
 *
 * kvm_age_hva prints its line first and then one for each entry that it ages. From 6.15 on
 * it takes no lock, and other tasks run and print in between. Each entry is aged at a moment
 * of its own, so the range may be aged page by page:
 *
 * - A page whose entry has a line is aged just before that line.
 * - A page whose entry has none is aged at the range's own line. Its accessed flag was clear
 *   when it was aged, and it was clear at the range's line as well: accesses only set it.
 */
#ifndef TRACE_AGEING_H
#define TRACE_AGEING_H

#include "trace/trace.h"

/*
 * Splits the EVENT_AGE at `i` if events of other tasks stand between its lines. Returns the
 * first event that is to be looked at next, or a negative errno.
 */
long ageing_split(struct trace *trace, size_t i);

#endif
