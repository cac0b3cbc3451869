/*
 * The pages that hold a guest's tables: what an EPT violation on one looks like,
 * and the accessed and dirty flags of both dimensions. The rows are the paddr
 * ones of kvm-unit-tests' x86/vmx_tests.c, its staged EPT tests, and those of the
 * KVM selftest nested_tdp_fault_test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/expect_ept.h"

static const struct tdp_walk_config ept = {.format = TDP_EPT};
static const struct tdp_walk_config ept_ad = {.format = TDP_EPT, .ad = true};
static const struct tdp_walk_config npt = {.format = TDP_NPT, .host_nxe = true};

/* Restricted table pages */

enum guest_state { CLEAN, ACCESSED, DIRTY, GUEST_STATES };

struct paddr_row {
	const char *name;
	uint64_t set;
	bool ad;
	/* For each state of the guest's PTE: reads and fetches, then writes. */
	uint64_t wanted[GUEST_STATES][2];
};

/* clang-format off */
static const struct paddr_row paddr_rows[] = {
	{"not_present_ad_disabled", 0, false, {{RD, RD}, {RD, RD}, {RD, RD}}},
	{"not_present_ad_enabled", 0, true,
		{{RD | WR, RD | WR}, {RD | WR, RD | WR}, {RD | WR, RD | WR}}},
	{"read_only_ad_disabled", EPT_R, false,
		{{RD | WR | PR, RD | WR | PR}, {OK, RD | WR | PR}, {OK, OK}}},
	{"read_only_ad_enabled", EPT_R, true,
		{{RD | WR | PR, RD | WR | PR}, {RD | WR | PR, RD | WR | PR},
		 {RD | WR | PR, RD | WR | PR}}},
	{"read_write_ad_disabled", EPT_R | EPT_W, false, {{OK, OK}, {OK, OK}, {OK, OK}}},
	{"read_write_ad_enabled", EPT_R | EPT_W, true, {{OK, OK}, {OK, OK}, {OK, OK}}},
	{"read_write_execute_ad_disabled", EPT_R | EPT_W | EPT_X, false,
		{{OK, OK}, {OK, OK}, {OK, OK}}},
	{"read_write_execute_ad_enabled", EPT_R | EPT_W | EPT_X, true,
		{{OK, OK}, {OK, OK}, {OK, OK}}},
	{"read_execute_ad_disabled", EPT_R | EPT_X, false,
		{{RD | WR | PR | PX, RD | WR | PR | PX}, {OK, RD | WR | PR | PX}, {OK, OK}}},
	{"read_execute_ad_enabled", EPT_R | EPT_X, true,
		{{RD | WR | PR | PX, RD | WR | PR | PX}, {RD | WR | PR | PX, RD | WR | PR | PX},
		 {RD | WR | PR | PX, RD | WR | PR | PX}}},
};
/* clang-format on */

static void check_table_path(struct raw *raw, bool ad)
{
	for (unsigned int level = 1; level <= raw->config.levels; level++) {
		uint64_t flags = *raw_entry(raw, raw->guest_gpa[1], level) & (EPT_A | EPT_D);

		assert_int_equal(flags, !ad ? 0 : level == 1 ? EPT_A | EPT_D : EPT_A);
	}
}

static void check_paddr_cell(struct raw *raw, const struct paddr_row *row, enum guest_state state,
			     enum raw_column column)
{
	bool write = column == RAW_WRITE;
	uint64_t wanted = row->wanted[state][write];
	struct tdp_walk_config config = {.format = TDP_EPT, .levels = 4, .ad = row->ad};
	uint64_t flags = state == DIRTY ? GUEST_A | GUEST_D : state == ACCESSED ? GUEST_A : 0;
	struct tdp_walk_result result;
	uint64_t *table;

	raw_build(raw, &config, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	table = raw_entry(raw, raw->guest_gpa[1], 1);
	*table = (*table & ~EPT_RIGHTS) | row->set;
	*raw_guest_entry(raw, 1) |= flags;
	result = raw_access(raw, column);
	if (!is_as_wanted(&result, wanted == OK ? OK : wanted | GV))
		print_message("%s, %s, guest state %d\n", row->name, raw_column_name(column),
			      (int)state);
	expect(&result, wanted == OK ? OK : wanted | GV);
	if (wanted == OK) {
		flags |= write ? GUEST_A | GUEST_D : GUEST_A;
		assert_int_equal(result.dirty, !!(flags & GUEST_D) && (write || !row->ad));
		check_table_path(raw, row->ad);
	} else {
		assert_int_equal(result.gpa, raw->guest_gpa[1]);
	}
	assert_int_equal(*raw_guest_entry(raw, 1) & (GUEST_A | GUEST_D), flags);
}

static void a_restricted_page_of_the_guests_tables_faults_as_a_table_access(void **state)
{
	for (size_t i = 0; i < sizeof(paddr_rows) / sizeof(paddr_rows[0]); i++)
		for (int guest = CLEAN; guest < GUEST_STATES; guest++)
			for (int column = 0; column < RAW_COLUMNS; column++)
				check_paddr_cell(*state, &paddr_rows[i], (enum guest_state)guest,
						 (enum raw_column)column);
}

static void upper_tables_must_be_writable_only_to_become_accessed(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (unsigned int level = 2; level <= 4; level++) {
		raw_build(raw, &ept, 1);
		raw_build_guest(raw, TDP_PAGING_LONG, 1);
		*raw_entry(raw, raw->guest_gpa[level], 1) &= ~EPT_W;
		result = raw_walk(raw, TDP_WRITE, false);
		expect(&result, RD | WR | PR | PX | GV);
		assert_int_equal(result.gpa, raw->guest_gpa[level]);
		*raw_guest_entry(raw, level) |= GUEST_A;
		result = raw_walk(raw, TDP_WRITE, false);
		expect(&result, OK);
	}
}

static void a_page_fault_wins_over_the_exit_of_setting_a_flag(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &ept, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	*raw_entry(raw, raw->guest_gpa[1], 1) &= ~EPT_W;
	*raw_guest_entry(raw, 1) &= ~GUEST_W;
	result = raw_walk(raw, TDP_WRITE, true);
	expect(&result, PF(PF_P | PF_W | PF_U));
	result = raw_walk(raw, TDP_READ, true);
	expect(&result, RD | WR | PR | PX | GV);
}

static void a_table_page_without_a_right_to_read_is_a_violation_or_misconfiguration(void **state)
{
	struct tdp_walk_config config = ept;
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (int execute_only = 0; execute_only < 2; execute_only++) {
		config.execute_only = execute_only;
		raw_build(raw, &config, 1);
		raw_build_guest(raw, TDP_PAGING_LONG, 1);
		*raw_entry(raw, raw->guest_gpa[3], 1) &= ~(EPT_R | EPT_W);
		result = raw_walk(raw, TDP_FETCH, true);
		expect(&result, execute_only ? RD | PX | GV : MISC);
	}
}

static void a_2m_leaf_over_the_data_is_judged_as_a_4k_one(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &ept, 2);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, OK);
	*raw_data_entry(raw, 2) &= ~(EPT_W | EPT_X | EPT_XU);
	result = raw_walk(raw, TDP_WRITE, false);
	expect(&result, WR | PR | GV | TR);
	*raw_data_entry(raw, 2) ^= EPT_R | EPT_W;
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, MISC);
}

/* The staged tests, with and without A/D flags. */

static void expect_table_pages(struct raw *raw, bool ad)
{
	for (unsigned int level = 1; level <= 4; level++)
		assert_int_equal(*raw_entry(raw, raw->guest_gpa[level], 1) & (EPT_A | EPT_D),
				 ad ? EPT_A | EPT_D : 0);
}

static void check_stages(struct raw *raw, const struct tdp_walk_config *config)
{
	struct tdp_walk_result result;
	uint64_t *leaf, *upper, whole;
	bool ad = config->ad;

	raw_build(raw, config, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	leaf = raw_data_entry(raw, 1);
	result = raw_walk(raw, TDP_READ, false);
	assert_int_equal(*leaf & (EPT_A | EPT_D), ad ? EPT_A : 0);
	result = raw_walk(raw, TDP_WRITE, false);
	assert_int_equal(*leaf & (EPT_A | EPT_D), ad ? EPT_A | EPT_D : 0);
	expect_table_pages(raw, ad);

	whole = *leaf;
	*leaf = (whole & ~EPT_RIGHTS) | EPT_W;
	result = raw_walk(raw, TDP_WRITE, false);
	expect(&result, MISC);
	*leaf = (whole & ~(7ULL << 3)) | 2 << 3;
	result = raw_walk(raw, TDP_WRITE, false);
	expect(&result, MISC);

	for (unsigned int level = 1; level <= 4; level++)
		*raw_entry(raw, raw->guest_gpa[level], 1) &= ~(EPT_A | EPT_D);
	*leaf = whole & ~(EPT_RIGHTS | EPT_A | EPT_D);
	result = raw_walk(raw, TDP_WRITE, false);
	expect(&result, WR | GV | TR);
	assert_int_equal(*leaf & (EPT_A | EPT_D), 0);
	expect_table_pages(raw, ad);
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, RD | GV | TR);
	*leaf |= EPT_R;
	result = raw_walk(raw, TDP_WRITE, false);
	expect(&result, WR | PR | GV | TR);

	upper = raw_entry(raw, raw->guest_gpa[2], 2);
	*upper &= ~EPT_RIGHTS;
	result = raw_walk(raw, TDP_WRITE, false);
	expect(&result, ad ? RD | WR | GV : RD | GV);
}

static void the_staged_changes_give_their_exits(void **state)
{
	check_stages(*state, &ept);
	check_stages(*state, &ept_ad);
}

/* The nested fault selftest's four cases. */
static void final_and_table_pages_unmapped_and_write_protected_are_told_apart(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;
	uint64_t *data, *table;

	raw_build(raw, &ept_ad, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	data = raw_data_entry(raw, 1);
	table = raw_entry(raw, raw->guest_gpa[1], 1);
	*data &= ~EPT_RIGHTS;
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, RD | GV | TR);
	*data |= EPT_R | EPT_X;
	result = raw_walk(raw, TDP_WRITE, false);
	expect(&result, WR | PR | PX | GV | TR);
	*table &= ~EPT_RIGHTS;
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, RD | WR | GV);
	*table |= EPT_R | EPT_X;
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, RD | WR | PR | PX | GV);
}

static void a_pure_read_dirties_the_pages_of_the_guests_tables(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &ept_ad, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	for (unsigned int level = 1; level <= 4; level++)
		*raw_guest_entry(raw, level) |= GUEST_A;
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, OK);
	expect_table_pages(raw, true);
	assert_int_equal(*raw_data_entry(raw, 1) & (EPT_A | EPT_D), EPT_A);
}

/* The guest's own flags */

static void each_entry_used_becomes_accessed_and_the_leaf_dirty_on_a_write(void **state)
{
	const struct tdp_walk_config *configs[] = {&ept, &ept_ad, &npt};
	struct raw *raw = *state;

	for (unsigned int i = 0; i < 3; i++)
		for (unsigned int leaf = 1; leaf <= 3; leaf++) {
			raw_build(raw, configs[i], 3);
			raw_build_guest(raw, TDP_PAGING_LONG_LA57, leaf);
			for (int write = 0; write < 2; write++) {
				struct tdp_walk_result result =
					raw_walk(raw, write ? TDP_WRITE : TDP_FETCH, true);

				expect(&result, OK);
				assert_int_equal(result.dirty, write);
				for (unsigned int level = leaf; level <= 5; level++)
					assert_int_equal(*raw_guest_entry(raw, level) &
								 (GUEST_A | GUEST_D),
							 write && level == leaf ? GUEST_A | GUEST_D
										: GUEST_A);
			}
		}
}

static void a_clean_guest_leaf_makes_the_translation_clean(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &npt, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	*raw_data_entry(raw, 1) |= NPT_A | NPT_D;
	result = raw_walk(raw, TDP_READ, false);
	assert_false(result.dirty);
	*raw_guest_entry(raw, 1) |= GUEST_D;
	result = raw_walk(raw, TDP_READ, false);
	assert_true(result.dirty);
}

static void a_look_changes_no_flag_of_either_dimension(void **state)
{
	const struct tdp_walk_config *configs[] = {&ept, &ept_ad, &npt};
	struct tdp_walk_request request = {
		.address = RAW_LINEAR, .access = TDP_WRITE, .no_update = true};
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (unsigned int i = 0; i < 3; i++) {
		raw_build(raw, configs[i], 1);
		raw_build_guest(raw, TDP_PAGING_LONG, 1);
		tdp_walk(raw->host, configs[i], raw->root, &raw->paging, &request, &result);
		expect(&result, OK);
		for (unsigned int level = 1; level <= 4; level++) {
			assert_int_equal(*raw_guest_entry(raw, level) & (GUEST_A | GUEST_D), 0);
			assert_int_equal(*raw_entry(raw, raw->guest_gpa[level], 1) &
						 (raw_accessed(raw) | raw_dirty(raw)),
					 0);
		}
		assert_int_equal(*raw_data_entry(raw, 1) & (raw_accessed(raw) | raw_dirty(raw)), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_restricted_page_of_the_guests_tables_faults_as_a_table_access),
		cmocka_unit_test(upper_tables_must_be_writable_only_to_become_accessed),
		cmocka_unit_test(a_page_fault_wins_over_the_exit_of_setting_a_flag),
		cmocka_unit_test(
			a_table_page_without_a_right_to_read_is_a_violation_or_misconfiguration),
		cmocka_unit_test(a_2m_leaf_over_the_data_is_judged_as_a_4k_one),
		cmocka_unit_test(the_staged_changes_give_their_exits),
		cmocka_unit_test(final_and_table_pages_unmapped_and_write_protected_are_told_apart),
		cmocka_unit_test(a_pure_read_dirties_the_pages_of_the_guests_tables),
		cmocka_unit_test(each_entry_used_becomes_accessed_and_the_leaf_dirty_on_a_write),
		cmocka_unit_test(a_clean_guest_leaf_makes_the_translation_clean),
		cmocka_unit_test(a_look_changes_no_flag_of_either_dimension),
	};

	return cmocka_run_group_tests_name("paging/walk/guest-tables", tests, raw_setup,
					   raw_teardown);
}
