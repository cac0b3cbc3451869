/*
 * The result of a walk under EPT, as the test matrix names it: OK, MISC (an EPT misconfiguration),
 * PF() (a page fault of the guest) or the bits of the exit qualification of a violation.
 */
#ifndef TESTS_SUPPORT_EXPECT_EPT_H
#define TESTS_SUPPORT_EXPECT_EPT_H

#include "support/raw_tables.h"

#define RD    BIT(0) /* the access */
#define WR    BIT(1)
#define FETCH BIT(2)
#define PR    BIT(3) /* rights of the entries */
#define PW    BIT(4)
#define PX    BIT(5)
#define PXU   BIT(6)
#define GV    BIT(7) /* the linear address is valid */
#define TR    BIT(8) /* the address is the translation, not that of a guest table */

#define OK	 (~0ULL)
#define MISC	 (~1ULL)
#define PF(code) (BIT(40) | (code))
#define PF_P	 1
#define PF_W	 2
#define PF_U	 4
#define PF_RSVD	 8
#define PF_I	 16

bool is_as_wanted(const struct tdp_walk_result *result, uint64_t wanted);

/* Fails the test, and prints the actual result. */
#define expect(result, wanted) expect_at(result, wanted, __FILE__, __LINE__)
void expect_at(const struct tdp_walk_result *result, uint64_t wanted, const char *file, int line);

#endif
