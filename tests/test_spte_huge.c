/* A huge leaf made from a small one: the reverse of a split. */
#include "paging/spte.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define VE (1ULL << 63) /* suppress #VE: in every EPT entry from 6.10 on */

static struct encoding made(const struct format *format)
{
	struct encoding encoding;

	encoding_init(&encoding, &(struct encoding_config){
					 .format = format,
					 .hardware_ad = true,
					 .execute_only = format->id == TDP_EPT,
					 .suppress_ve = true,
				 });
	return encoding;
}

static void check_there_and_back(const struct encoding *e, unsigned int level, bool nx)
{
	struct leaf leaf = {
		.level = level, .pfn = tdp_pfn(3 << 18), .writable = true, .no_exec = nx};
	uint64_t huge = spte_make_leaf(e, &leaf);

	for (unsigned int child = 0; child < 512; child += 73) {
		uint64_t small = spte_small_from_huge(e, huge, level, child, nx);

		assert_int_equal(spte_huge_from_small(e, small, level, nx), huge);
	}
}

static void of_any_child_the_huge_leaf_can_be_made_again(void **state)
{
	const struct format *formats[] = {&format_npt, &format_ept};

	(void)state;
	for (unsigned int i = 0; i < 2; i++)
		for (unsigned int level = 2; level <= 3; level++) {
			struct encoding e = made(formats[i]);

			check_there_and_back(&e, level, false);
			check_there_and_back(&e, level, true);
		}
}

static void a_huge_leaf_has_its_childs_rights_and_marks(void **state)
{
	struct encoding npt = made(&format_npt);
	struct encoding ept = made(&format_ept);

	(void)state;
	/* Protected for the log; read-only. */
	assert_int_equal(spte_huge_from_small(&npt, 0x40205e65, 2, false), 0x40200ee5);
	assert_int_equal(spte_huge_from_small(&npt, 0x40205825, 3, false), 0x400008a5);
	assert_int_equal(spte_huge_from_small(&ept, VE | 0x0600000040205977, 2, false),
			 VE | 0x06000000402009f7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_any_child_the_huge_leaf_can_be_made_again),
		cmocka_unit_test(a_huge_leaf_has_its_childs_rights_and_marks),
	};

	return cmocka_run_group_tests_name("paging/spte_huge", tests, NULL, NULL);
}
