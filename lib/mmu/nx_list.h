/* The list of tables that stand for a huge page which NX forbids. The rules are nx.h's (X1 to X3).
 */
#ifndef TDPSIM_MMU_NX_LIST_H
#define TDPSIM_MMU_NX_LIST_H

#include "mmu/mmu.h"

/* Does the table forbid a huge leaf in its place? */
static inline bool nx_disallows(const struct table *table)
{
	return u32_load_acquire(&table->nx_disallowed);
}

/* Puts a table on the list after it was linked in place of a possible huge leaf (X2). */
void nx_track(struct mmu_actor *actor, struct table *table);

/* For the actor that unlinked the table: clears its flag and takes it off the list. */
void nx_forget(struct mmu_actor *actor, struct table *table);

/* Takes the oldest table off the list and clears its flag; NULL if the list is empty. */
struct table *nx_take_oldest(struct mmu_actor *actor);

/* 1/ratio of the list's length, rounded up. */
uint64_t nx_share_of_list(struct mmu *mmu, unsigned int ratio);

#endif
