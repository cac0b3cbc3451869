/*
 * EPT as the hardware takes it: rights at each level, violation against
 * misconfiguration, the exit qualification, reserved and ignored bits, accessed
 * and dirty flags. The rows are those of kvm-unit-tests' x86/vmx_tests.c
 * (ept_access_test_*), with what it leaves out. Guest tables: test_walk_guest.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/raw_tables.h"

/* Exit qualification; ROW_BITS are what a row names, FINAL comes with each of them. */
#define RD    BIT(0)
#define WR    BIT(1)
#define FETCH BIT(2)
#define PR    BIT(3)
#define PW    BIT(4)
#define PX    BIT(5)
#define PXU   BIT(6)
#define GV    BIT(7)
#define TR    BIT(8)
#define FINAL (GV | TR)

#define OK   (~0ULL)
#define MISC (~1ULL)

static const struct tdp_walk_config plain = {.format = TDP_EPT};

/* `wanted` is OK, MISC or the violation's qualification. */
static bool is_as_wanted(const struct tdp_walk_result *result, uint64_t wanted)
{
	if (wanted == OK)
		return result->outcome == TDP_WALK_DONE && result->error_code == 0;
	if (wanted == MISC)
		return result->outcome == TDP_WALK_MISCONFIG && result->error_code == 0;
	return result->outcome == TDP_WALK_VIOLATION && result->error_code == wanted;
}

#define expect(raw, result, wanted) expect_at(raw, result, wanted, __LINE__)
static void expect_at(const struct raw *raw, const struct tdp_walk_result *result, uint64_t wanted,
		      int line)
{
	if (!is_as_wanted(result, wanted))
		fail_msg("line %d, levels %u, mbec %d, execute-only %d, ad %d: wanted %#llx, got "
			 "outcome %d, code %#llx, gpa %#llx, entry %#llx at level %u",
			 line, raw->config.levels, raw->config.mbec, raw->config.execute_only,
			 raw->config.ad, (unsigned long long)wanted, (int)result->outcome,
			 (unsigned long long)result->error_code, (unsigned long long)result->gpa,
			 (unsigned long long)result->entry, result->entry_level);
}

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
	expect(raw, &result, wanted);
	assert_int_equal(result.gpa, raw->data + (column >= RAW_FETCH_SUPERVISOR ? 8 : 0));
	if (wanted != OK) {
		assert_int_equal(flags_of_path(raw, leaf), before);
		assert_int_equal(result.entry_level,
				 wanted == MISC || !(row->set & EPT_RIGHTS) ? level : leaf);
	}
	*entry |= whole;
	result = raw_access(raw, column);
	expect(raw, &result, OK);
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

static void one_row_of_the_user_execute_bit_without_mbec_is_not_present(void **state)
{
	struct tdp_walk_config config = plain;
	struct tdp_walk_result result;

	config.execute_only = true;
	raw_build(*state, &config, 1);
	raw_build_guest(*state, TDP_PAGING_LONG, 1);
	for (unsigned int level = 1; level <= 4; level++) {
		uint64_t *entry = raw_data_entry(*state, level);
		uint64_t whole = *entry;

		*entry = (whole & ~EPT_RIGHTS) | EPT_XU;
		result = raw_access(*state, RAW_FETCH_USER);
		expect(*state, &result, FETCH | FINAL);
		*entry = whole;
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
	expect(*state, &result, WR | PR | PXU | FINAL);
	*raw_data_entry(*state, 4) |= EPT_W;
	*raw_data_entry(*state, 3) &= ~EPT_XU;
	result = raw_access(*state, RAW_FETCH_USER);
	expect(*state, &result, FETCH | PR | PW | FINAL);
}

/* Reserved and ignored bits */

/* Bits 51:N and the role's own, worked out here from the table, not from the walker. */
static bool is_reserved(unsigned int bit, unsigned int level, bool leaf, unsigned int width)
{
	if (bit >= width && bit <= 51)
		return true;
	if (level >= 4)
		return bit >= 3 && bit <= 7;
	if (leaf)
		return level > 1 && bit >= 12 && bit < 12 + 9 * (level - 1);
	return bit >= 3 && bit <= 6;
}

/* Bits that say something else than "reserved": rights, type, size and address. */
static bool is_meaningful(unsigned int bit, unsigned int level, bool leaf, bool mbec)
{
	if (bit <= 2 || (bit == 10 && mbec))
		return true;
	if (leaf && bit >= 3 && bit <= 5)
		return true;
	if (bit == 7)
		return level == 2 || level == 3;
	return bit >= 12 && bit <= 51;
}

static void check_reserved_bit(struct raw *raw, unsigned int level, unsigned int bit)
{
	uint64_t *entry = raw_data_entry(raw, level);
	uint64_t whole = *entry;
	struct tdp_walk_result result;

	*entry = whole | BIT(bit);
	for (int access = TDP_READ; access <= TDP_FETCH; access++) {
		result = raw_walk_gpa(raw, raw->data, (enum tdp_access)access, true);
		expect(raw, &result, MISC);
		assert_int_equal(result.gpa, raw->data);
		assert_int_equal(result.entry_level, level);
		assert_int_equal(result.entry, whole | BIT(bit));
		assert_false(result.ve_convertible);
	}
	*entry = (whole & ~EPT_RIGHTS) | BIT(bit);
	result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
	expect(raw, &result, RD | FINAL);
	*entry = whole;
}

static void check_ignored_bit(struct raw *raw, unsigned int level, unsigned int bit)
{
	uint64_t *entry = raw_data_entry(raw, level);
	uint64_t whole = *entry;

	for (int access = TDP_READ; access <= TDP_FETCH; access++)
		for (int user = 0; user < 2; user++) {
			struct tdp_walk_result result;

			*entry = whole ^ BIT(bit);
			result = raw_walk_gpa(raw, raw->data, (enum tdp_access)access, user);
			expect(raw, &result, OK);
			assert_int_equal(result.pfn.n, raw->buffer.n);
		}
	*entry = whole;
}

static void check_each_bit(struct raw *raw, const struct tdp_walk_config *config)
{
	for (unsigned int leaf = 1; leaf <= TDP_LEAF_LEVEL_MAX; leaf++) {
		raw_build(raw, config, leaf);
		for (unsigned int level = leaf; level <= config->levels; level++)
			for (unsigned int bit = 0; bit < 64; bit++) {
				bool is_leaf = level == leaf;

				if (is_reserved(bit, level, is_leaf, config->maxphyaddr))
					check_reserved_bit(raw, level, bit);
				else if (!is_meaningful(bit, level, is_leaf, config->mbec))
					check_ignored_bit(raw, level, bit);
			}
	}
}

static void each_bit_is_reserved_or_ignored_at_every_maxphyaddr(void **state)
{
	for (unsigned int width = 36; width <= 52; width++)
		for (unsigned int variant = 0; variant < 8; variant++) {
			struct tdp_walk_config config = plain;

			config.maxphyaddr = width;
			config.levels = variant & 1 ? 5 : 4;
			config.ad = variant & 2;
			config.mbec = variant & 4;
			check_each_bit(*state, &config);
		}
}

static void the_highest_low_bits_of_large_leaves_are_reserved(void **state)
{
	struct tdp_walk_config config = plain;

	config.maxphyaddr = 46;
	raw_build(*state, &config, 2);
	check_reserved_bit(*state, 2, 20);
	check_reserved_bit(*state, 2, 12);
	raw_build(*state, &config, 3);
	check_reserved_bit(*state, 3, 29);
	check_reserved_bit(*state, 3, 12);
}

static void bit_7_of_a_pte_is_ignored(void **state)
{
	raw_build(*state, &plain, 1);
	check_ignored_bit(*state, 1, 7);
}

static void a_memory_type_that_does_not_exist_is_a_misconfiguration(void **state)
{
	struct raw *raw = *state;

	for (unsigned int leaf = 1; leaf <= TDP_LEAF_LEVEL_MAX; leaf++) {
		raw_build(raw, &plain, leaf);
		for (uint64_t type = 0; type < 8; type++) {
			bool exists = type != 2 && type != 3 && type != 7;
			uint64_t *entry = raw_data_entry(raw, leaf);
			struct tdp_walk_result result;

			for (uint64_t ignore_pat = 0; ignore_pat < 2; ignore_pat++) {
				*entry =
					(*entry & ~(BIT(6) | 7 << 3)) | type << 3 | ignore_pat << 6;
				result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
				expect(raw, &result, exists ? OK : MISC);
			}
		}
	}
}

static void a_large_leaf_that_the_machine_does_not_know_is_a_misconfiguration(void **state)
{
	struct tdp_walk_config no_2m = plain, no_1g = plain;
	struct tdp_walk_result result;
	struct raw *raw = *state;

	no_2m.no_2m = true;
	no_1g.no_1g = true;
	for (unsigned int leaf = 1; leaf <= TDP_LEAF_LEVEL_MAX; leaf++) {
		raw_build(raw, &no_2m, leaf);
		result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
		expect(raw, &result, leaf == 2 ? MISC : OK);
		raw_build(raw, &no_1g, leaf);
		result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
		expect(raw, &result, leaf == 3 ? MISC : OK);
	}
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
	expect(raw, &result, MISC);
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
	expect(raw, &result, MISC);
}

static void an_upper_entry_that_is_not_present_hides_a_misconfigured_lower_one(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &plain, 1);
	*raw_data_entry(raw, 1) &= ~EPT_R;
	*raw_data_entry(raw, 3) &= ~EPT_RIGHTS;
	result = raw_walk_gpa(raw, raw->data, TDP_WRITE, true);
	expect(raw, &result, WR | FINAL);
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
		expect(raw, &result, RD | FINAL);
		assert_false(result.ve_convertible);
		*raw_data_entry(raw, level) = 0;
		result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
		expect(raw, &result, RD | FINAL);
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
		expect(raw, &result, WR | FINAL);
		assert_int_equal(result.gpa, raw->data | BIT(bit));
		assert_int_equal(result.entry_level, 0);
	}
	config.levels = 5;
	raw_build(raw, &config, 1);
	result = raw_walk_gpa(raw, raw->data | BIT(57), TDP_READ, true);
	expect(raw, &result, RD | FINAL);
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
	expect(raw, &result, OK);
	result = raw_walk_gpa(raw, raw->data ^ BIT(48), TDP_READ, true);
	expect(raw, &result, RD | FINAL);
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
	expect(raw, &result, WR | PR);
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
	expect(raw, &result, RD | FINAL | BIT(9) | BIT(10));
	*raw_guest_entry(raw, 3) &= ~GUEST_U;
	result = raw_walk(raw, TDP_READ, false);
	expect(raw, &result, RD | FINAL | BIT(10));
	*raw_guest_entry(raw, 2) &= ~GUEST_W;
	*raw_guest_entry(raw, 1) |= GUEST_NX;
	result = raw_walk(raw, TDP_READ, false);
	expect(raw, &result, RD | FINAL | BIT(11));
	raw->config.advanced_exit_info = false;
	result = raw_walk(raw, TDP_READ, false);
	expect(raw, &result, RD | FINAL);
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
	expect(raw, &result, OK);
	assert_int_equal(result.gpa, raw->data + 0x123);
	*raw_data_entry(raw, 1) ^= EPT_X | EPT_XU;
	assert_int_equal(tdp_walk(raw->host, &config, raw->root, &paging, &request, &result), 0);
	expect(raw, &result, FETCH | PR | PW | PX | FINAL | BIT(9) | BIT(10));
}

/* Accessed and dirty flags */

static void check_path_flags(struct raw *raw, unsigned int leaf, uint64_t leaf_flags)
{
	for (unsigned int level = leaf; level <= 4; level++) {
		uint64_t wanted = level == leaf ? leaf_flags : leaf_flags & EPT_A;

		assert_int_equal(*raw_data_entry(raw, level) & (EPT_A | EPT_D), wanted);
	}
}

static void a_read_sets_accessed_and_a_write_dirty_in_the_leaf_alone(void **state)
{
	struct tdp_walk_config config = plain;
	struct tdp_walk_result result;
	struct raw *raw = *state;

	config.ad = true;
	for (unsigned int leaf = 1; leaf <= TDP_LEAF_LEVEL_MAX; leaf++) {
		raw_build(raw, &config, leaf);
		result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
		check_path_flags(raw, leaf, EPT_A);
		assert_false(result.dirty);
		result = raw_walk_gpa(raw, raw->data, TDP_FETCH, true);
		check_path_flags(raw, leaf, EPT_A);
		result = raw_walk_gpa(raw, raw->data, TDP_WRITE, true);
		check_path_flags(raw, leaf, EPT_A | EPT_D);
		assert_true(result.dirty);
		assert_int_equal(result.entry, *raw_data_entry(raw, leaf));
		result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
		assert_true(result.dirty);
	}
}

static void without_the_control_flags_are_left_alone(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &plain, 1);
	result = raw_walk_gpa(raw, raw->data, TDP_WRITE, true);
	check_path_flags(raw, 1, 0);
	assert_true(result.dirty);
}

static void a_look_changes_nothing_and_sees_what_an_access_would(void **state)
{
	struct tdp_walk_config config = plain;
	struct tdp_walk_request request = {.access = TDP_WRITE, .no_update = true};
	struct tdp_walk_result result;
	struct raw *raw = *state;

	config.ad = true;
	raw_build(raw, &config, 2);
	request.address = raw->data + 5 * TDP_PAGE_SIZE;
	assert_int_equal(tdp_walk_gpa(raw->host, &config, raw->root, &request, &result), 0);
	expect(raw, &result, OK);
	check_path_flags(raw, 2, 0);
	assert_false(result.dirty);
	assert_int_equal(result.pfn.n, raw->buffer.n + 5);
	*raw_data_entry(raw, 2) &= ~EPT_W;
	assert_int_equal(tdp_walk_gpa(raw->host, &config, raw->root, &request, &result), 0);
	expect(raw, &result, WR | PR | PX | FINAL);
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
		expect(raw, &result, OK);
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
	/* MBEC asks whose the address is: the same for code of either privilege. */
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
		check_path_flags(raw, 1, 0);
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
		cmocka_unit_test(one_row_of_the_user_execute_bit_without_mbec_is_not_present),
		cmocka_unit_test(rights_of_different_levels_are_taken_together),
		cmocka_unit_test(each_bit_is_reserved_or_ignored_at_every_maxphyaddr),
		cmocka_unit_test(the_highest_low_bits_of_large_leaves_are_reserved),
		cmocka_unit_test(bit_7_of_a_pte_is_ignored),
		cmocka_unit_test(a_memory_type_that_does_not_exist_is_a_misconfiguration),
		cmocka_unit_test(a_large_leaf_that_the_machine_does_not_know_is_a_misconfiguration),
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
		cmocka_unit_test(a_read_sets_accessed_and_a_write_dirty_in_the_leaf_alone),
		cmocka_unit_test(without_the_control_flags_are_left_alone),
		cmocka_unit_test(a_look_changes_nothing_and_sees_what_an_access_would),
		cmocka_unit_test(a_large_leaf_gives_each_of_its_frames),
		cmocka_unit_test(the_result_tells_a_tlb_what_else_is_allowed),
		cmocka_unit_test(an_entry_outside_the_host_ends_the_walk_without_a_crash),
		cmocka_unit_test(a_config_out_of_range_is_refused),
	};

	return cmocka_run_group_tests_name("paging/walk/ept", tests, raw_setup, raw_teardown);
}
