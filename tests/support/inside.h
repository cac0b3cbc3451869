/*
 * Steps of a slot's change of flag, one at a time: what lib/mmu does to the mappings
 * is looked at before the next step changes them again.
 */
#ifndef TESTS_SUPPORT_INSIDE_H
#define TESTS_SUPPORT_INSIDE_H

#include "support/guest.h"

#include "vm/vm.h"

/* The slot of address space 0 as the library has it. */
const struct memslot *inside_slot(const struct guest *guest, unsigned int id);

typedef void inside_call(struct mmu_actor *task, const struct memslot *slot);

/* Calls it for the slot, by a task, under slots_lock. */
void inside_do(struct guest *guest, unsigned int id, inside_call *call);

/* The public way: switches the slot's log on or off, nothing else. */
void inside_log(struct guest *guest, unsigned int id, bool on);

/* The mask of mmu_split_masked(), under mmu_lock held exclusively. */
void inside_split_masked(struct guest *guest, uint64_t offset, uint64_t mask);

/* Where the slots lie: aligned to 1G. */
#define INSIDE_AT 0x40000ULL

/*
 * A guest whose slot 1 of `pages`, over the scripted backing, is mapped by leaves of
 * `level` that have been written. No events are kept of that.
 */
struct guest *inside_mapped(void **state, const struct guest_config *config, enum tdp_level level,
			    uint64_t pages);

/* A value that the kernel's traces show, without its frame: EPT's with bit 63 from 6.10 on. */
uint64_t inside_value(const struct guest *guest, uint64_t npt, uint64_t ept);

/* Fails unless leaves of `level` with these bits map all of [gfn, gfn + pages) of slot 1. */
void inside_check_leaves(const struct guest *guest, uint64_t gfn, uint64_t pages,
			 enum tdp_level level, uint64_t bits);

/* A task that is inside an RCU section of the host; NULL if there is none. */
const struct mmu_actor *inside_section(const struct guest *guest);

#endif
