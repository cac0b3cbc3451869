/*
 * Guests under check: a VM with two vCPUs and a slot of 16 MiB, and what the checker
 * says about them.
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

struct guest {
	struct tdp_host *host;
	struct tdp_anon *anon;
	struct tdp_vm *vm;
	struct tdp_vcpu *vcpu[2];
	uint64_t found[TDP_INVARIANTS];
	char first[640]; /* sentence */
};

struct shape {
	enum tdp_format format;
	enum tdp_baseline baseline;
	enum tdp_level page;
	bool no_ad;
	enum tdp_lock_policy lock;
	enum tdp_choice slot_zap_all;
};

void guest_begin(struct guest *guest, const struct shape *shape);
void guest_end(struct guest *guest);

/* CMocka fixtures: a guest over 4K pages, over 2M pages, on a CPU without A/D flags. */
int setup_4k(void **state);
int setup_2m(void **state);
int setup_no_ad(void **state);
int teardown(void **state);

#define guest_test(f)	    cmocka_unit_test_setup_teardown(f, setup_4k, teardown)
#define guest_2m_test(f)    cmocka_unit_test_setup_teardown(f, setup_2m, teardown)
#define guest_no_ad_test(f) cmocka_unit_test_setup_teardown(f, setup_no_ad, teardown)

/* Creates, moves or (0 pages) deletes a slot over the front of the guest's memory. */
void slot_set(struct guest *guest, unsigned int id, uint64_t gfn, uint64_t pages, bool read_only);

enum tdp_outcome touch(struct guest *guest, unsigned int vcpu, uint64_t gfn,
		       enum tdp_access access);
/* A page of each 64 of the slot, and a hole. */
void touch_all(struct guest *guest, unsigned int vcpu, enum tdp_access access);

/* For tdp_vm_check(), with the guest as its context. */
void note_violation(void *context, enum tdp_invariant invariant, const char *sentence);
uint64_t judge(struct guest *guest);
void assert_in_order(struct guest *guest);
/* Found, and nothing else was. */
void assert_only(struct guest *guest, enum tdp_invariant invariant);

/* The entry that the translation of `gfn` ends at, for vCPU 0. */
struct lookup entry_of(const struct guest *guest, uint64_t gfn);
/* The entry that links the table which `gfn`'s entry lies in. */
atomic_u64 *link_of(const struct guest *guest, uint64_t gfn);

/* What it was. */
uint64_t plant(atomic_u64 *slot, uint64_t value);
void forget_translations(struct guest *guest);
/* Replaces one entry, with no TLB in the way, for a check that must find `invariant` alone. */
void assert_planted(struct guest *guest, atomic_u64 *slot, uint64_t value,
		    enum tdp_invariant invariant);

#endif
