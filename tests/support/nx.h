/*
 * Guests with NX huge pages: their entries, as in the captures of scenario nx in
 * tests/conformance/traces, and the counters that KVM's selftest compares.
 */
#ifndef TESTS_SUPPORT_NX_H
#define TESTS_SUPPORT_NX_H

#include "support/guest.h"

#define AT     0x40000ULL /* 1 GiB */
#define REGION 512ULL

#define NX_ON .policy.nx_huge_pages = TDP_ON

/* pages_2m and nx_lpage_splits, as nx_huge_pages_test compares them. */
void expect_pair(const struct guest *guest, int64_t pages_2m, int64_t splits);

bool executable(const struct guest *guest, uint64_t gfn);

/* Entries without their frames: writable leaves, and the link of a table. */
uint64_t nx_huge(const struct guest *guest);
uint64_t small(const struct guest *guest);
/* A child of the split of a writable leaf until 6.12: without D. */
uint64_t small_clean(const struct guest *guest);
uint64_t table_link(const struct guest *guest);

/* Four regions of 2M from AT on, the first one mapped by an NX leaf; ratio 1. */
struct guest *with_2m(void **state, enum tdp_baseline baseline);

#endif
