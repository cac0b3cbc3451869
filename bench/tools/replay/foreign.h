/*
 * What other tasks (kdamond, khugepaged, the NX recovery worker) do while a guest
 * instruction runs is ordered by the trace's counter alone, and an access without a fault
 * has no line: the act may have come before or after it.
 *
 * An access that takes the next fault came after all acts that stand before the fault's
 * line. Any other access came before them, unless the entry's accessed flag says otherwise.
 * Ageing prints an entry only if the flag was set, and what ages the entry next, or removes
 * it, shows whether the flag was set again.
 */
#ifndef REPLAY_FOREIGN_H
#define REPLAY_FOREIGN_H

#include "program.h"

/* How many of the acts of other tasks, from the cursor on, came before a step of the access. */
size_t foreign_before(struct replay *replay, unsigned int as_id, const struct step *step);

#endif
