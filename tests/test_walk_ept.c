/*
 * EPT as the hardware takes it: rights at each level, violation against
 * misconfiguration, the exit qualification, what a walk finds. The rows are those
 * of kvm-unit-tests' x86/vmx_tests.c (ept_access_test_*), with what it leaves
 * out. Bits and flags: test_walk_ept_bits.c; guest tables: test_walk_guest.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/expect_ept.h"

#define FINAL (GV | TR)

static const struct tdp_walk_config plain = {.format = TDP_EPT};

/* The access matrix */

enum execute_only { EITHER, WITH, WITHOUT };

struct row {
	const char *name;
	uint64_t set;
	enum execute_only capability;
	uint64_t wanted[RAW_COLUMNS]; /* user fetch: under MBEC */
};

/* clang-format off */
static const struct row rows[] = {
	{"not_present", 0, EITHER, {RD, WR, FETCH, FETCH}},
	{"read_only", EPT_R, EITHER, {OK, WR | PR, FETCH | PR, FETCH | PR}},
	{"write_only", EPT_W, EITHER, {MISC, MISC, MISC, MISC}},
	{"read_write", EPT_R | EPT_W, EITHER, {OK, OK, FETCH | PR | PW, FETCH | PR | PW}},
	{"execute_only", EPT_X, WITH, {RD | PX, WR | PX, OK, FETCH | PX}},
	{"execute_only", EPT_X, WITHOUT, {MISC, MISC, MISC, MISC}},
	{"execute_user_only", EPT_XU, WITH, {RD | PXU, WR | PXU, FETCH | PXU, OK}},
	{"execute_user_only", EPT_XU, WITHOUT, {MISC, MISC, MISC, MISC}},
	{"execute_both", EPT_X | EPT_XU, WITH, {RD | PX | PXU, WR | PX | PXU, OK, OK}},
	{"execute_both", EPT_X | EPT_XU, WITHOUT, {MISC, MISC, MISC, MISC}},
	{"read_execute", EPT_R | EPT_X, EITHER, {OK, WR | PR | PX, OK, FETCH | PR | PX}},
	{"read_execute_user_only", EPT_R | EPT_XU, EITHER,
		{OK, WR | PR | PXU, FETCH | PR | PXU, OK}},
	{"read_execute_both", EPT_R | EPT_X | EPT_XU, EITHER, {OK, WR | PR | PX | PXU, OK, OK}},
	{"write_execute", EPT_W | EPT_X, EITHER, {MISC, MISC, MISC, MISC}},
	{"write_execute_user_only", EPT_W | EPT_XU, EITHER, {MISC, MISC, MISC, MISC}},
	{"read_write_execute", EPT_R | EPT_W | EPT_X, EITHER,
		{OK, OK, OK, FETCH | PR | PW | PX}},
	{"read_write_execute_user_only", EPT_R | EPT_W | EPT_XU, EITHER,
		{OK, OK, FETCH | PR | PW | PXU, OK}},
	{"read_write_execute_both", EPT_RIGHTS, EITHER, {OK, OK, OK, OK}},
};
/* clang-format on */

static bool row_applies(const struct row *row, const struct tdp_walk_config *config)
{
	if (row->set & EPT_XU && !config->mbec)
		return false;
	return row->capability == EITHER || (row->capability == WITH) == config->execute_only;
}

static uint64_t wanted_of(const struct row *row, enum raw_column column, bool mbec)
{
	uint64_t wanted;

	if (column == RAW_FETCH_USER && !mbec)
		column = RAW_FETCH_SUPERVISOR;
	wanted = row->wanted[column];
	return wanted == OK || wanted == MISC ? wanted : wanted | FINAL;
}

/* The flags of the data region's path, from the root to `leaf`, as one comparable word. */
static unsigned int flags_of_path(struct raw *raw, unsigned int leaf)
{
	unsigned int flags = 0;

	for (unsigned int level = leaf; level <= raw->config.levels; level++) {
		uint64_t entry = *raw_data_entry(raw, level);

		flags |= (entry & EPT_A ? 1U : 0U) << (2 * level);
		flags |= (entry & EPT_D ? 2U : 0U) << (2 * level);
	}
	return flags;
}

static void check_cell(struct raw *raw, const struct row *row, enum raw_column column,
		       unsigned int level, unsigned int leaf)
{
	uint64_t wanted = wanted_of(row, column, raw->config.mbec);
	uint64_t *entry = raw_data_entry(raw, level);
	unsigned int before = flags_of_path(raw, leaf);
	struct tdp_walk_result result;
	uint64_t whole = *entry;

	*entry = (whole & ~EPT_RIGHTS) | row->set;
	result = raw_access(raw, column);
	if (!is_as_wanted(&result, wanted))
		print_message("%s, %s, level %u of a leaf at %u\n", row->name,
			      raw_column_name(column), level, leaf);
	expect(&result, wanted);
	assert_int_equal(result.gpa, raw->data + (column >= RAW_FETCH_SUPERVISOR ? 8 : 0));
	if (wanted != OK) {
		assert_int_equal(flags_of_path(raw, leaf), before);
		assert_int_equal(result.entry_level,
				 wanted == MISC || !(row->set & EPT_RIGHTS) ? level : leaf);
	}
	*entry |= whole;
	result = raw_access(raw, column);
	expect(&result, OK);
	assert_int_equal(result.pfn.n, raw->buffer.n);
	assert_int_equal(result.level, 1);
	*entry = whole;
}

static void check_matrix(struct raw *raw, const struct tdp_walk_config *config)
{
	for (unsigned int leaf = 1; leaf <= TDP_LEAF_LEVEL_MAX; leaf++) {
		raw_build(raw, config, leaf);
		raw_build_guest(raw, TDP_PAGING_LONG, 1);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			if (!row_applies(&rows[i], config))
				continue;
			for (unsigned int level = leaf; level <= config->levels; level++)
				for (int column = 0; column < RAW_COLUMNS; column++)
					check_cell(raw, &rows[i], (enum raw_column)column, level,
						   leaf);
		}
	}
}

static void each_right_at_each_level_gives_what_the_hardware_gives(void **state)
{
	for (unsigned int variant = 0; variant < 16; variant++) {
		struct tdp_walk_config config = plain;

		config.levels = variant & 1 ? 5 : 4;
		config.mbec = variant & 2;
		config.execute_only = variant & 4;
		config.ad = variant & 8;
		check_matrix(*state, &config);
	}
}

static void the_user_execute_bit_alone_without_mbec_is_not_present(void **state)
{
	struct tdp_walk_config config = plain;
	struct tdp_walk_result result;

	for (int execute_only = 0; execute_only < 2; execute_only++) {
		config.execute_only = execute_only;
		raw_build(*state, &config, 1);
		raw_build_guest(*state, TDP_PAGING_LONG, 1);
		for (unsigned int level = 1; level <= 4; level++) {
			uint64_t *entry = raw_data_entry(*state, level);
			uint64_t whole = *entry;

			*entry = (whole & ~EPT_RIGHTS) | EPT_XU;
			result = raw_access(*state, RAW_FETCH_USER);
			expect(&result, FETCH | FINAL);
			assert_int_equal(result.entry_level, level);
			*entry = whole;
		}
	}
}

static void rights_of_different_levels_are_taken_together(void **state)
{
	struct tdp_walk_config config = plain;
	struct tdp_walk_result result;

	config.mbec = config.execute_only = true;
	raw_build(*state, &config, 1);
	raw_build_guest(*state, TDP_PAGING_LONG, 1);
	*raw_data_entry(*state, 4) &= ~EPT_W;
	*raw_data_entry(*state, 2) &= ~EPT_X;
	result = raw_access(*state, RAW_WRITE);
	expect(&result, WR | PR | PXU | FINAL);
	*raw_data_entry(*state, 4) |= EPT_W;
	*raw_data_entry(*state, 3) &= ~EPT_XU;
	result = raw_access(*state, RAW_FETCH_USER);
	expect(&result, FETCH | PR | PW | FINAL);
}

/* Which of two faults */

static void a_misconfigured_upper_entry_wins_over_a_lower_one_that_is_not_present(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &plain, 1);
	*raw_data_entry(raw, 4) &= ~EPT_R;
	*raw_data_entry(raw, 1) = 0;
	result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
	expect(&result, MISC);
	assert_int_equal(result.entry_level, 4);
}

static void a_misconfigured_lower_entry_wins_over_a_missing_right_above(void **state)
{
	struct tdp_walk_config config = plain;
	struct tdp_walk_result result;
	struct raw *raw = *state;

	config.maxphyaddr = 46;
	raw_build(raw, &config, 1);
	*raw_data_entry(raw, 4) &= ~(EPT_W | EPT_X);
	*raw_data_entry(raw, 1) |= BIT(51);
	result = raw_walk_gpa(raw, raw->data, TDP_WRITE, true);
	expect(&result, MISC);
}

static void an_upper_entry_that_is_not_present_hides_a_misconfigured_lower_one(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &plain, 1);
	*raw_data_entry(raw, 1) &= ~EPT_R;
	*raw_data_entry(raw, 3) &= ~EPT_RIGHTS;
	result = raw_walk_gpa(raw, raw->data, TDP_WRITE, true);
	expect(&result, WR | FINAL);
	assert_int_equal(result.entry_level, 3);
}

static void an_entry_with_nothing_but_suppress_ve_is_not_present(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (unsigned int level = 1; level <= 4; level++) {
		raw_build(raw, &plain, 1);
		*raw_data_entry(raw, level) = BIT(63);
		result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
		expect(&result, RD | FINAL);
		assert_false(result.ve_convertible);
		*raw_data_entry(raw, level) = 0;
		result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
		expect(&result, RD | FINAL);
		assert_true(result.ve_convertible);
	}
}

static void the_leaf_decides_whether_a_missing_right_may_become_ve(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &plain, 1);
	*raw_data_entry(raw, 3) &= ~EPT_W;
	result = raw_walk_gpa(raw, raw->data, TDP_WRITE, true);
	assert_true(result.ve_convertible);
	*raw_data_entry(raw, 1) |= BIT(63);
	result = raw_walk_gpa(raw, raw->data, TDP_WRITE, true);
	assert_false(result.ve_convertible);
}

static void an_address_wider_than_the_walk_is_a_violation_without_rights(void **state)
{
	struct tdp_walk_config config = plain;
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &config, 1);
	for (unsigned int bit = 48; bit < 64; bit++) {
		result = raw_walk_gpa(raw, raw->data | BIT(bit), TDP_WRITE, true);
		expect(&result, WR | FINAL);
		assert_int_equal(result.gpa, raw->data | BIT(bit));
		assert_int_equal(result.entry_level, 0);
		assert_false(result.ve_convertible);
	}
	config.levels = 5;
	raw_build(raw, &config, 1);
	result = raw_walk_gpa(raw, raw->data | BIT(57), TDP_READ, true);
	expect(&result, RD | FINAL);
}

static void bit_48_of_an_address_selects_the_second_pml5_entry(void **state)
{
	struct tdp_walk_config config = plain;
	struct tdp_walk_result result;
	struct raw *raw = *state;
	uint64_t *root;

	config.levels = 5;
	raw_build(raw, &config, 1);
	root = tdp_host_frame(raw->host, raw->root);
	assert_int_equal(root[0], 0);
	assert_int_not_equal(root[1], 0);
	result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
	expect(&result, OK);
	result = raw_walk_gpa(raw, raw->data ^ BIT(48), TDP_READ, true);
	expect(&result, RD | FINAL);
	assert_int_equal(result.entry_level, 5);
}

/* The exit qualification's other bits */

static void without_a_linear_address_bits_7_and_8_are_clear(void **state)
{
	struct tdp_walk_config config = plain;
	struct tdp_walk_request request = {.access = TDP_WRITE, .linear_invalid = true};
	struct tdp_walk_result result;
	struct raw *raw = *state;

	config.advanced_exit_info = true;
	raw_build(raw, &config, 1);
	*raw_data_entry(raw, 1) = EPT_R | EPT_WB;
	request.address = raw->data;
	assert_int_equal(tdp_walk_gpa(raw->host, &config, raw->root, &request, &result), 0);
	expect(&result, WR | PR);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	request.address = RAW_LINEAR;
	assert_int_equal(tdp_walk(raw->host, &config, raw->root, &raw->paging, &request, &result),
			 0);
	expect(&result, WR | PR);
}

static void advanced_information_tells_what_the_guests_tables_said(void **state)
{
	struct tdp_walk_config config = plain;
	struct tdp_walk_result result;
	struct raw *raw = *state;

	config.advanced_exit_info = true;
	raw_build(raw, &config, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	*raw_data_entry(raw, 1) = 0;
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, RD | FINAL | BIT(9) | BIT(10));
	*raw_guest_entry(raw, 3) &= ~GUEST_U;
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, RD | FINAL | BIT(10));
	*raw_guest_entry(raw, 2) &= ~GUEST_W;
	*raw_guest_entry(raw, 1) |= GUEST_NX;
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, RD | FINAL | BIT(11));
	raw->config.advanced_exit_info = false;
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, RD | FINAL);
}

static void without_guest_paging_the_address_counts_as_a_writable_user_one(void **state)
{
	struct tdp_walk_config config = plain;
	struct tdp_guest_paging paging = {.mode = TDP_PAGING_NONE};
	struct tdp_walk_request request = {.access = TDP_FETCH};
	struct tdp_walk_result result;
	struct raw *raw = *state;

	config.advanced_exit_info = config.mbec = true;
	raw_build(raw, &config, 1);
	request.address = raw->data + 0x123;
	*raw_data_entry(raw, 1) &= ~EPT_X;
	assert_int_equal(tdp_walk(raw->host, &config, raw->root, &paging, &request, &result), 0);
	expect(&result, OK);
	assert_int_equal(result.gpa, raw->data + 0x123);
	*raw_data_entry(raw, 1) ^= EPT_X | EPT_XU;
	assert_int_equal(tdp_walk(raw->host, &config, raw->root, &paging, &request, &result), 0);
	expect(&result, FETCH | PR | PW | PX | FINAL | BIT(9) | BIT(10));
}

/* Results, and what is not memory */

static void a_large_leaf_gives_each_of_its_frames(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (unsigned int leaf = 1; leaf <= TDP_LEAF_LEVEL_MAX; leaf++) {
		uint64_t last = tdp_level_pages(leaf) - 1;

		raw_build(raw, &plain, leaf);
		result = raw_walk_gpa(raw, raw->data + (last << 12) + 0xabc, TDP_READ, true);
		expect(&result, OK);
		assert_int_equal(result.pfn.n, raw->buffer.n + last);
		assert_int_equal(result.level, leaf);
		assert_int_equal(result.gpa, raw->data + (last << 12) + 0xabc);
	}
}

static void the_result_tells_a_tlb_what_else_is_allowed(void **state)
{
	struct tdp_walk_config config = plain;
	struct tdp_walk_result result;
	struct raw *raw = *state;

	config.mbec = true;
	raw_build(raw, &config, 1);
	*raw_data_entry(raw, 2) &= ~EPT_XU;
	*raw_data_entry(raw, 3) &= ~EPT_W;
	result = raw_walk_gpa(raw, raw->data, TDP_READ, false);
	assert_int_equal(result.rights, TDP_RIGHT(TDP_READ, false) | TDP_RIGHT(TDP_READ, true) |
						TDP_RIGHT(TDP_FETCH, false) |
						TDP_RIGHT(TDP_FETCH, true));
	assert_true(result.executable);
	assert_false(result.writable);
	/*
	 * MBEC depends on the privilege of the address: the result is the same for code of either
	 * privilege.
	 */
	result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
	assert_int_equal(result.rights, TDP_RIGHT(TDP_READ, false) | TDP_RIGHT(TDP_READ, true));
	assert_false(result.executable);
}

static void an_entry_outside_the_host_ends_the_walk_without_a_crash(void **state)
{
	struct tdp_walk_config config = plain;
	struct tdp_walk_result result;
	struct raw *raw = *state;

	config.ad = true;
	raw_build(raw, &config, 1);
	for (unsigned int level = 1; level <= 4; level++) {
		uint64_t *entry = raw_data_entry(raw, level);
		uint64_t whole = *entry;

		*entry = whole | 0x000ffffffffff000ULL;
		result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
		assert_int_equal(result.outcome, TDP_WALK_NO_FRAME);
		assert_int_equal(result.entry, whole | 0x000ffffffffff000ULL);
		assert_int_equal(result.entry_level, level);
		*entry = whole;
		assert_int_equal(flags_of_path(raw, 1), 0);
	}
	raw->root = tdp_pfn(~0ULL >> 12);
	result = raw_walk_gpa(raw, 0, TDP_READ, true);
	assert_int_equal(result.outcome, TDP_WALK_NO_FRAME);
}

static void a_config_out_of_range_is_refused(void **state)
{
	static const struct tdp_walk_config bad[] = {
		{.size = 1},	    {.format = (enum tdp_format)7},
		{.levels = 3},	    {.levels = 6},
		{.maxphyaddr = 35}, {.maxphyaddr = 53},
	};
	struct tdp_walk_request request = {.access = (enum tdp_access)3};
	struct tdp_walk_result result = {.level = 77};
	struct raw *raw = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		request.access = TDP_READ;
		assert_true(tdp_walk_gpa(raw->host, &bad[i], raw->root, &request, &result) < 0);
	}
	request.access = (enum tdp_access)3;
	assert_true(tdp_walk_gpa(raw->host, &plain, raw->root, &request, &result) < 0);
	assert_int_equal(result.level, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_right_at_each_level_gives_what_the_hardware_gives),
		cmocka_unit_test(the_user_execute_bit_alone_without_mbec_is_not_present),
		cmocka_unit_test(rights_of_different_levels_are_taken_together),
		cmocka_unit_test(
			a_misconfigured_upper_entry_wins_over_a_lower_one_that_is_not_present),
		cmocka_unit_test(a_misconfigured_lower_entry_wins_over_a_missing_right_above),
		cmocka_unit_test(
			an_upper_entry_that_is_not_present_hides_a_misconfigured_lower_one),
		cmocka_unit_test(an_entry_with_nothing_but_suppress_ve_is_not_present),
		cmocka_unit_test(the_leaf_decides_whether_a_missing_right_may_become_ve),
		cmocka_unit_test(an_address_wider_than_the_walk_is_a_violation_without_rights),
		cmocka_unit_test(bit_48_of_an_address_selects_the_second_pml5_entry),
		cmocka_unit_test(without_a_linear_address_bits_7_and_8_are_clear),
		cmocka_unit_test(advanced_information_tells_what_the_guests_tables_said),
		cmocka_unit_test(without_guest_paging_the_address_counts_as_a_writable_user_one),
		cmocka_unit_test(a_large_leaf_gives_each_of_its_frames),
		cmocka_unit_test(the_result_tells_a_tlb_what_else_is_allowed),
		cmocka_unit_test(an_entry_outside_the_host_ends_the_walk_without_a_crash),
		cmocka_unit_test(a_config_out_of_range_is_refused),
	};

	return cmocka_run_group_tests_name("paging/walk/ept", tests, raw_setup, raw_teardown);
}
