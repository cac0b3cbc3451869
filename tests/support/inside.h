/*
 * Steps of switching the log of a slot, one at a time, so that a test can look at the mappings
 * after each step.
 */
#ifndef TESTS_SUPPORT_INSIDE_H
#define TESTS_SUPPORT_INSIDE_H

#include "support/guest.h"

#include "vm/vm.h"

/* The library's slot of address space 0. */
const struct memslot *inside_slot(const struct guest *guest, unsigned int id);

typedef void inside_call(struct mmu_actor *task, const struct memslot *slot);

/* Calls `call` for the slot by a task, with slots_lock held. */
void inside_do(struct guest *guest, unsigned int id, inside_call *call);

/* Switches the log of the slot on or off through the public function. */
void inside_log(struct guest *guest, unsigned int id, bool on);

/* The mask of mmu_split_masked(), under mmu_lock held exclusively. */
void inside_split_masked(struct guest *guest, uint64_t offset, uint64_t mask);

/* The gfn of the slots, aligned to 1G. */
#define INSIDE_AT 0x40000ULL

/*
 * A guest whose slot 1 of `pages`, over the scripted backing, is mapped by written leaves of
 * `level`. The events of that are discarded.
 */
struct guest *inside_mapped(void **state, const struct guest_config *config, enum tdp_level level,
			    uint64_t pages);

/* The value of an entry in traces of the kernel, without its frame; EPT has bit 63 since 6.10. */
uint64_t inside_value(const struct guest *guest, uint64_t npt, uint64_t ept);

/* Fails unless leaves of `level` with these bits map all of [gfn, gfn + pages) of slot 1. */
void inside_check_leaves(const struct guest *guest, uint64_t gfn, uint64_t pages,
			 enum tdp_level level, uint64_t bits);

/* A task inside an RCU section of the host; NULL if there is none. */
const struct mmu_actor *inside_section(const struct guest *guest);

#endif
