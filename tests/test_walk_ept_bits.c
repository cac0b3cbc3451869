/*
 * Each bit of an EPT entry at each level: reserved, ignored, or a flag that the
 * hardware sets. The rows are those of kvm-unit-tests' x86/vmx_tests.c, with
 * every MAXPHYADDR and the bits that its loops leave out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/expect_ept.h"

#define FINAL (GV | TR)

static const struct tdp_walk_config plain = {.format = TDP_EPT};

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
		expect(&result, MISC);
		assert_int_equal(result.gpa, raw->data);
		assert_int_equal(result.entry_level, level);
		assert_int_equal(result.entry, whole | BIT(bit));
		assert_false(result.ve_convertible);
	}
	*entry = (whole & ~EPT_RIGHTS) | BIT(bit);
	result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
	expect(&result, RD | FINAL);
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
			expect(&result, OK);
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
				expect(&result, exists ? OK : MISC);
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
		expect(&result, leaf == 2 ? MISC : OK);
		raw_build(raw, &no_1g, leaf);
		result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
		expect(&result, leaf == 3 ? MISC : OK);
	}
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
	expect(&result, OK);
	check_path_flags(raw, 2, 0);
	assert_false(result.dirty);
	assert_int_equal(result.pfn.n, raw->buffer.n + 5);
	*raw_data_entry(raw, 2) &= ~EPT_W;
	assert_int_equal(tdp_walk_gpa(raw->host, &config, raw->root, &request, &result), 0);
	expect(&result, WR | PR | PX | FINAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bit_is_reserved_or_ignored_at_every_maxphyaddr),
		cmocka_unit_test(the_highest_low_bits_of_large_leaves_are_reserved),
		cmocka_unit_test(bit_7_of_a_pte_is_ignored),
		cmocka_unit_test(a_memory_type_that_does_not_exist_is_a_misconfiguration),
		cmocka_unit_test(a_large_leaf_that_the_machine_does_not_know_is_a_misconfiguration),
		cmocka_unit_test(a_read_sets_accessed_and_a_write_dirty_in_the_leaf_alone),
		cmocka_unit_test(without_the_control_flags_are_left_alone),
		cmocka_unit_test(a_look_changes_nothing_and_sees_what_an_access_would),
	};

	return cmocka_run_group_tests_name("paging/walk/ept-bits", tests, raw_setup, raw_teardown);
}
