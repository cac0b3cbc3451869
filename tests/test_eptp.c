/*
 * The EPT pointer at VM entry: which values are accepted with which
 * capabilities. The rows are those of test_ept_eptp in kvm-unit-tests'
 * x86/vmx_tests.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <tdpsim/walk.h>

#define BIT(n) (1ULL << (n))

/* IA32_VMX_EPT_VPID_CAP */
#define FOUR_LEVELS  BIT(6)
#define FIVE_LEVELS  BIT(7)
#define UC	     BIT(8)
#define WB	     BIT(14)
#define AD	     BIT(21)
#define SHADOW_STACK BIT(23)
#define ALL	     (FOUR_LEVELS | FIVE_LEVELS | UC | WB | AD)

#define ROOT 0x12345000ULL
#define GOOD (ROOT | 3 << 3 | 6)

static void expect(uint64_t eptp, uint64_t capabilities, unsigned int maxphyaddr, bool accepted)
{
	int err = tdp_eptp_check(eptp, capabilities, maxphyaddr);

	if (err != (accepted ? 0 : -EINVAL))
		fail_msg("EPTP %#llx, capabilities %#llx, MAXPHYADDR %u: %d",
			 (unsigned long long)eptp, (unsigned long long)capabilities, maxphyaddr,
			 err);
}

static void only_the_memory_types_uncached_and_write_back_are_accepted(void **state)
{
	(void)state;
	for (uint64_t type = 0; type < 8; type++) {
		uint64_t eptp = (GOOD & ~7ULL) | type;

		expect(eptp, ALL, 52, type == 0 || type == 6);
		expect(eptp, ALL & ~UC, 52, type == 6);
		expect(eptp, ALL & ~WB, 52, type == 0);
	}
}

static void only_four_and_five_levels_are_accepted(void **state)
{
	(void)state;
	for (uint64_t length = 0; length < 8; length++) {
		uint64_t eptp = (GOOD & ~(7ULL << 3)) | length << 3;

		expect(eptp, ALL, 52, length == 3 || length == 4);
		expect(eptp, ALL & ~FIVE_LEVELS, 52, length == 3);
		expect(eptp, ALL & ~FOUR_LEVELS, 52, length == 4);
	}
}

static void flags_may_be_asked_for_only_where_they_are_known(void **state)
{
	(void)state;
	expect(GOOD | BIT(6), ALL, 52, true);
	expect(GOOD | BIT(6), ALL & ~AD, 52, false);
	expect(GOOD, ALL & ~AD, 52, true);
}

static void each_value_of_bits_11_to_7_but_zero_is_refused(void **state)
{
	(void)state;
	for (uint64_t value = 0; value < 32; value++) {
		expect(GOOD | value << 7, ALL, 52, value == 0);
		/* Bit 7 alone is a control where supervisor shadow stacks are known. */
		expect(GOOD | value << 7, ALL | SHADOW_STACK, 52, value <= 1);
	}
}

static void each_address_bit_beyond_maxphyaddr_is_refused(void **state)
{
	(void)state;
	for (unsigned int width = 36; width <= 52; width++)
		for (unsigned int bit = 12; bit < 64; bit++)
			expect(GOOD | BIT(bit), ALL, width, bit < width);
}

static void a_maxphyaddr_that_no_machine_has_is_refused(void **state)
{
	(void)state;
	expect(GOOD, ALL, 35, false);
	expect(GOOD, ALL, 53, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_memory_types_uncached_and_write_back_are_accepted),
		cmocka_unit_test(only_four_and_five_levels_are_accepted),
		cmocka_unit_test(flags_may_be_asked_for_only_where_they_are_known),
		cmocka_unit_test(each_value_of_bits_11_to_7_but_zero_is_refused),
		cmocka_unit_test(each_address_bit_beyond_maxphyaddr_is_refused),
		cmocka_unit_test(a_maxphyaddr_that_no_machine_has_is_refused),
	};

	return cmocka_run_group_tests_name("paging/eptp", tests, NULL, NULL);
}
