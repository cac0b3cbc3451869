/*
 * For tests of the checker: a VM with two vCPUs and a slot of 16 MiB, and the violations that
 * the checker finds in it.
 */
#ifndef TESTS_SUPPORT_CHECKED_H
#define TESTS_SUPPORT_CHECKED_H

#include <tdpsim/check.h>
#include <tdpsim/memslot.h>

#include "mmu/lookup.h"
#include "vm/vm.h"

#define BASE_GFN 0x40000 /* 1 GiB */
#define PAGES	 4096	 /* 16 MiB */
#define HOLE_GFN 0x100000

struct checked {
	struct tdp_host *host;
	struct tdp_anon *anon;
	struct tdp_vm *vm;
	struct tdp_vcpu *vcpu[2];
	uint64_t found[TDP_INVARIANTS];
	char first[640]; /* the first sentence of the checker */
};

struct shape {
	enum tdp_format format;
	enum tdp_baseline baseline;
	enum tdp_level page;
	bool no_ad;
	enum tdp_lock_policy lock;
	enum tdp_choice slot_zap_all;
};

void checked_begin(struct checked *guest, const struct shape *shape);
void checked_end(struct checked *guest);

/* CMocka fixtures: a guest over 4K pages, over 2M pages, on a CPU without A/D flags. */
int setup_4k(void **state);
int setup_2m(void **state);
int setup_no_ad(void **state);
int teardown(void **state);

#define guest_test(f)	    cmocka_unit_test_setup_teardown(f, setup_4k, teardown)
#define guest_2m_test(f)    cmocka_unit_test_setup_teardown(f, setup_2m, teardown)
#define guest_no_ad_test(f) cmocka_unit_test_setup_teardown(f, setup_no_ad, teardown)

/* Creates, moves or (0 pages) deletes a slot over the start of the memory. */
void slot_set(struct checked *guest, unsigned int id, uint64_t gfn, uint64_t pages, bool read_only);

enum tdp_outcome touch(struct checked *guest, unsigned int vcpu, uint64_t gfn,
		       enum tdp_access access);
/* Touches one page in 64 of the slot, and a gfn outside it. */
void touch_all(struct checked *guest, unsigned int vcpu, enum tdp_access access);

/* For tdp_vm_check(), with the guest as its context. */
void note_violation(void *context, enum tdp_invariant invariant, const char *sentence);
uint64_t judge(struct checked *guest);
void assert_in_order(struct checked *guest);
/* Fails unless this invariant is violated, and no other. */
void assert_only(struct checked *guest, enum tdp_invariant invariant);

/* The entry at which the translation of `gfn` by vCPU 0 ends. */
struct lookup entry_of(const struct checked *guest, uint64_t gfn);
/* The entry that links the table of that entry. */
atomic_u64 *link_of(const struct checked *guest, uint64_t gfn);

/* Stores a value in an entry; returns the old one. */
uint64_t plant(atomic_u64 *slot, uint64_t value);
void forget_translations(struct checked *guest);
/* Plants an entry, with TLBs flushed; fails unless the checker finds `invariant` alone. */
void assert_planted(struct checked *guest, atomic_u64 *slot, uint64_t value,
		    enum tdp_invariant invariant);

#endif
