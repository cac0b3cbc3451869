/*
 * NPT as the hardware takes it: EXITINFO1 for each refusal, rights, reserved bits
 * under the host's EFER.NXE, GMET, accessed and dirty flags. The rows are those
 * of kvm-unit-tests' x86/svm_npt.c, with what it leaves out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/raw_tables.h"

/* EXITINFO1 */
#define P     BIT(0)
#define RW    BIT(1)
#define US    BIT(2)
#define RSV   BIT(3)
#define ID    BIT(4)
#define FINAL BIT(32)
#define TABLE BIT(33)

#define OK (~0ULL)

static const struct tdp_walk_config plain = {.format = TDP_NPT};
static const struct tdp_walk_config with_nxe = {.format = TDP_NPT, .host_nxe = true};
static const struct tdp_walk_config with_gmet = {.format = TDP_NPT, .host_nxe = true, .gmet = true};

/* `wanted` is OK or EXITINFO1; with RSV the outcome is a misconfiguration. */
static bool is_as_wanted(const struct tdp_walk_result *result, uint64_t wanted)
{
	if (wanted == OK)
		return result->outcome == TDP_WALK_DONE && result->error_code == 0;
	if (result->error_code != wanted)
		return false;
	return result->outcome == (wanted & RSV ? TDP_WALK_MISCONFIG : TDP_WALK_VIOLATION);
}

#define expect(raw, result, wanted) expect_at(raw, result, wanted, __LINE__)
static void expect_at(const struct raw *raw, const struct tdp_walk_result *result, uint64_t wanted,
		      int line)
{
	if (!is_as_wanted(result, wanted))
		fail_msg("line %d, levels %u, nxe %d, smep %d, gmet %d: wanted %#llx, got outcome "
			 "%d, code %#llx, gpa %#llx, entry %#llx at level %u",
			 line, raw->config.levels, raw->config.host_nxe, raw->config.host_smep,
			 raw->config.gmet, (unsigned long long)wanted, (int)result->outcome,
			 (unsigned long long)result->error_code, (unsigned long long)result->gpa,
			 (unsigned long long)result->entry, result->entry_level);
}

/* A data page is hit at each level, by each kind of access. */

struct row {
	const char *name;
	const struct tdp_walk_config *config;
	uint64_t clear, set;
	uint64_t wanted[RAW_COLUMNS];
};

/* clang-format off */
static const struct row rows[] = {
	{"not present", &with_nxe, NPT_P, 0,
		{FINAL | US, FINAL | US | RW, FINAL | US | ID, FINAL | US | ID}},
	{"not present, NXE and SMEP off", &plain, NPT_P, 0,
		{FINAL | US, FINAL | US | RW, FINAL | US, FINAL | US}},
	{"not present, reserved bits set", &with_nxe, NPT_P, BIT(51) | NPT_NX,
		{FINAL | US, FINAL | US | RW, FINAL | US | ID, FINAL | US | ID}},
	{"no execute", &with_nxe, 0, NPT_NX,
		{OK, OK, FINAL | US | ID | P, FINAL | US | ID | P}},
	{"supervisor", &with_nxe, NPT_U, 0,
		{FINAL | US | P, FINAL | US | RW | P, FINAL | US | ID | P, FINAL | US | ID | P}},
	{"read only", &with_nxe, NPT_W, 0, {OK, FINAL | US | RW | P, OK, OK}},
	{"read only, supervisor, no execute", &with_nxe, NPT_W | NPT_U, NPT_NX,
		{FINAL | US | P, FINAL | US | RW | P, FINAL | US | ID | P, FINAL | US | ID | P}},
	{"NX without NXE", &plain, 0, NPT_NX,
		{FINAL | US | RSV | P, FINAL | US | RSV | RW | P, FINAL | US | RSV | P,
		 FINAL | US | RSV | P}},
	/* GMET: all accesses here are made at CPL 0, so US is clear. */
	{"GMET, user", &with_gmet, 0, 0, {OK, OK, FINAL | ID | P, FINAL | ID | P}},
	{"GMET, supervisor", &with_gmet, NPT_U, 0, {OK, OK, OK, OK}},
	{"GMET, supervisor, no execute", &with_gmet, NPT_U, NPT_NX,
		{OK, OK, FINAL | ID | P, FINAL | ID | P}},
	{"GMET, supervisor, read only", &with_gmet, NPT_U | NPT_W, 0,
		{OK, FINAL | RW | P, OK, OK}},
};
/* clang-format on */

static void check_row(struct raw *raw, const struct row *row, unsigned int level)
{
	uint64_t *entry = raw_data_entry(raw, level);
	uint64_t whole = *entry;

	for (int column = 0; column < RAW_COLUMNS; column++) {
		uint64_t changed = (whole & ~row->clear) | row->set;
		uint64_t wanted = row->wanted[column];
		struct tdp_walk_result result;

		*entry = changed;
		result = raw_access(raw, (enum raw_column)column);
		if (!is_as_wanted(&result, wanted))
			print_message("%s, %s, level %u\n", row->name,
				      raw_column_name((enum raw_column)column), level);
		expect(raw, &result, wanted);
		assert_int_equal(result.gpa, raw->data + (column >= RAW_FETCH_SUPERVISOR ? 8 : 0));
		if (wanted == OK)
			assert_int_equal(result.pfn.n, raw->buffer.n);
		else
			assert_int_equal(*entry, changed);
	}
	*entry = whole;
}

static void each_row_at_each_level_gives_what_the_hardware_gives(void **state)
{
	for (unsigned int levels = 4; levels <= 5; levels++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			for (unsigned int leaf = 1; leaf <= TDP_LEAF_LEVEL_MAX; leaf++) {
				struct tdp_walk_config config = *rows[i].config;

				config.levels = levels;
				config.maxphyaddr = 51;
				raw_build(*state, &config, leaf);
				raw_build_guest(*state, TDP_PAGING_LONG, 1);
				for (unsigned int level = leaf; level <= levels; level++)
					check_row(*state, &rows[i], level);
			}
}

static void smep_or_nxe_of_the_host_makes_a_fetch_known_as_one(void **state)
{
	struct tdp_walk_config config = plain;
	struct tdp_walk_result result;

	config.host_smep = true;
	raw_build(*state, &config, 1);
	*raw_data_entry(*state, 1) = 0;
	result = raw_walk_gpa(*state, BIT(39), TDP_FETCH, false);
	expect(*state, &result, FINAL | US | ID);
}

static void the_guests_own_nx_and_smep_do_not_matter(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (unsigned int variant = 0; variant < 4; variant++) {
		raw_build(raw, &with_nxe, 1);
		raw_build_guest(raw, TDP_PAGING_LONG, 1);
		raw->paging.nxe = variant & 1;
		raw->paging.smep = variant & 2;
		*raw_data_entry(raw, 1) |= NPT_NX;
		result = raw_access(raw, RAW_FETCH_SUPERVISOR);
		expect(raw, &result, FINAL | US | ID | P);
	}
}

/* Guest tables */

static void a_read_only_page_under_cr3_faults_as_a_table_write(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (int access = TDP_READ; access <= TDP_FETCH; access++) {
		raw_build(raw, &with_nxe, 1);
		raw_build_guest(raw, TDP_PAGING_LONG, 1);
		raw->paging.cr3 |= 0x18; /* PWT and PCD are no part of the address */
		*raw_entry(raw, raw->paging.cr3, 1) &= ~NPT_W;
		result = raw_walk(raw, (enum tdp_access)access, false);
		expect(raw, &result, TABLE | US | RW | P);
		assert_int_equal(result.gpa, raw->guest_gpa[4]);
		assert_int_equal(result.gpa & ~0xfffULL, raw->paging.cr3 & ~0xfffULL);
	}
}

static void a_table_page_must_be_present_writable_and_a_users_at_each_level(void **state)
{
	static const struct {
		uint64_t clear, wanted;
	} cases[] = {
		{NPT_P, TABLE | US | RW},
		{NPT_W, TABLE | US | RW | P},
		{NPT_U, TABLE | US | RW | P},
	};
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &with_nxe, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned int level = 1; level <= 4; level++) {
			uint64_t *entry = raw_entry(raw, raw->guest_gpa[level], 1);
			uint64_t whole = *entry;

			*entry = whole & ~cases[i].clear;
			result = raw_walk(raw, TDP_READ, true);
			expect(raw, &result, cases[i].wanted);
			assert_int_equal(result.gpa, raw->guest_gpa[level]);
			*entry = whole;
		}
}

static void gmet_lets_table_walks_pass_supervisor_pages(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &with_gmet, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	for (unsigned int level = 1; level <= 4; level++)
		*raw_entry(raw, raw->guest_gpa[level], 1) &= ~NPT_U;
	result = raw_walk(raw, TDP_READ, false);
	expect(raw, &result, OK);
	*raw_entry(raw, raw->guest_gpa[1], 1) &= ~NPT_W;
	result = raw_walk(raw, TDP_READ, false);
	expect(raw, &result, TABLE | US | RW | P);
}

static void gmet_stops_supervisor_code_alone(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &with_gmet, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	result = raw_walk(raw, TDP_FETCH, true);
	expect(raw, &result, OK);
	assert_int_equal(result.rights, TDP_RIGHTS_ALL & ~TDP_RIGHT(TDP_FETCH, false));
	result = raw_walk(raw, TDP_FETCH, false);
	expect(raw, &result, FINAL | ID | P);
	/* One entry with U/S clear anywhere makes it a supervisor page. */
	*raw_data_entry(raw, 3) &= ~NPT_U;
	result = raw_walk(raw, TDP_FETCH, false);
	expect(raw, &result, OK);
	assert_int_equal(result.rights, TDP_RIGHTS_ALL);
	*raw_data_entry(raw, 1) |= NPT_NX;
	result = raw_walk(raw, TDP_FETCH, true);
	expect(raw, &result, FINAL | US | ID | P);
}

static void an_upper_entry_over_data_and_tables_is_met_by_the_tables_first(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &with_nxe, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	*raw_entry(raw, RAW_GUEST_TABLES, 4) &= ~NPT_U;
	result = raw_walk(raw, TDP_READ, false);
	expect(raw, &result, TABLE | US | RW | P);
	*raw_entry(raw, RAW_GUEST_TABLES, 4) |= NPT_U;
	*raw_data_entry(raw, 4) &= ~NPT_U;
	result = raw_walk(raw, TDP_READ, false);
	expect(raw, &result, FINAL | US | P);
}

static void nx_over_a_table_page_stops_neither_walks_nor_data(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &with_nxe, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	for (unsigned int level = 1; level <= 4; level++)
		*raw_entry(raw, raw->guest_gpa[level], 1) |= NPT_NX;
	for (int column = 0; column < RAW_COLUMNS; column++) {
		result = raw_access(raw, (enum raw_column)column);
		expect(raw, &result, OK);
	}
	result = raw_walk_gpa(raw, raw->guest_gpa[1], TDP_WRITE, true);
	expect(raw, &result, OK);
}

/* The nested fault selftest's four cases. */
static void final_and_table_pages_unmapped_and_write_protected_are_told_apart(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;
	uint64_t *data, *table;

	raw_build(raw, &with_nxe, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	data = raw_data_entry(raw, 1);
	table = raw_entry(raw, raw->guest_gpa[1], 1);
	*data &= ~NPT_P;
	result = raw_walk(raw, TDP_READ, false);
	assert_int_equal(result.error_code, 0x100000004);
	*data ^= NPT_P | NPT_W;
	result = raw_walk(raw, TDP_WRITE, false);
	assert_int_equal(result.error_code, 0x100000007);
	*table &= ~NPT_P;
	result = raw_walk(raw, TDP_READ, false);
	assert_int_equal(result.error_code, 0x200000006);
	*table ^= NPT_P | NPT_W;
	result = raw_walk(raw, TDP_READ, false);
	assert_int_equal(result.error_code, 0x200000007);
}

static void an_mmio_page_mapped_as_memory_is_read_and_its_writes_stopped(void **state)
{
	struct tdp_walk_result first, second;
	struct raw *raw = *state;

	raw_build(raw, &with_nxe, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	*raw_data_entry(raw, 1) |= BIT(3) | BIT(4); /* uncached, as a device is mapped */
	first = raw_walk(raw, TDP_READ, false);
	second = raw_walk(raw, TDP_READ, false);
	expect(raw, &first, OK);
	assert_int_equal(first.pfn.n, second.pfn.n);
	*raw_data_entry(raw, 1) &= ~NPT_W;
	first = raw_walk(raw, TDP_READ, false);
	expect(raw, &first, OK);
	second = raw_walk(raw, TDP_WRITE, false);
	expect(raw, &second, FINAL | US | RW | P);
}

/* Reserved bits */

static bool is_reserved(unsigned int bit, unsigned int level, bool leaf,
			const struct tdp_walk_config *config)
{
	if (bit >= config->maxphyaddr && bit <= 51)
		return true;
	if (bit == 63)
		return !config->host_nxe;
	if (level >= 4)
		return bit == 7 || bit == 8;
	return leaf && level > 1 && bit >= 13 && bit < 12 + 9 * (level - 1);
}

/* Rights, size and address say something; bit 12 of a large leaf is PAT and does not. */
static bool is_meaningful(unsigned int bit, unsigned int level, bool leaf)
{
	if (bit <= 2 || bit == 63)
		return true;
	if (bit == 7)
		return level == 2 || level == 3;
	if (bit == 12)
		return !leaf || level == 1;
	return bit > 12 && bit <= 51;
}

static void check_reserved_bit(struct raw *raw, unsigned int level, unsigned int bit)
{
	static const uint64_t wanted[] = {FINAL | US | RSV | P, FINAL | US | RSV | RW | P,
					  FINAL | US | RSV | P};
	uint64_t id = raw->config.host_nxe || raw->config.host_smep ? ID : 0;
	uint64_t *entry = raw_data_entry(raw, level);
	uint64_t whole = *entry;
	struct tdp_walk_result result;

	*entry = whole | BIT(bit);
	for (int access = TDP_READ; access <= TDP_FETCH; access++) {
		result = raw_walk_gpa(raw, raw->data, (enum tdp_access)access, true);
		expect(raw, &result, wanted[access] | (access == TDP_FETCH ? id : 0));
		assert_int_equal(result.gpa, raw->data);
		assert_int_equal(result.entry_level, level);
		assert_int_equal(*entry, whole | BIT(bit));
	}
	*entry = (whole & ~NPT_P) | BIT(bit);
	result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
	expect(raw, &result, FINAL | US);
	*entry = whole;
}

static void check_ignored_bit(struct raw *raw, unsigned int level, unsigned int bit)
{
	uint64_t *entry = raw_data_entry(raw, level);
	uint64_t whole = *entry;

	for (int access = TDP_READ; access <= TDP_FETCH; access++) {
		struct tdp_walk_result result;

		*entry = whole ^ BIT(bit);
		result = raw_walk_gpa(raw, raw->data, (enum tdp_access)access, false);
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

				if (is_reserved(bit, level, is_leaf, config))
					check_reserved_bit(raw, level, bit);
				else if (!is_meaningful(bit, level, is_leaf))
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
			config.host_nxe = variant & 2;
			config.host_smep = variant & 4;
			check_each_bit(*state, &config);
		}
}

static void the_highest_low_bits_of_large_leaves_are_reserved_and_pat_is_not(void **state)
{
	raw_build(*state, &with_nxe, 2);
	check_reserved_bit(*state, 2, 20);
	check_reserved_bit(*state, 2, 13);
	check_ignored_bit(*state, 2, 12);
	raw_build(*state, &with_nxe, 3);
	check_reserved_bit(*state, 3, 29);
	check_reserved_bit(*state, 3, 13);
	check_ignored_bit(*state, 3, 12);
}

/*
 * svm_npt_rsvd_bits_test: sixteen runs for each entry. Fetches of a code page;
 * upper entries are shared with the guest's tables, so the walk meets them first.
 */
static void check_reserved_entry(struct raw *raw, unsigned int level, uint64_t bits)
{
	bool nxe = raw->config.host_nxe;
	bool shared = level >= 3;
	uint64_t wanted = shared ? 0x20000000f : 0x10000000d;
	struct tdp_walk_result result;

	if (!shared && (nxe || raw->config.host_smep))
		wanted |= ID;
	*raw_entry(raw, shared ? RAW_GUEST_TABLES : raw->data, level) |= nxe ? bits : BIT(63);
	result = raw_access(raw, RAW_FETCH_SUPERVISOR);
	expect(raw, &result, wanted);
}

static void reserved_bits_are_reported_whatever_the_guests_controls_are(void **state)
{
	static const uint64_t bits[] = {0, BIT(51), LARGE | 0xff << 13, LARGE | 0x1ffff << 13,
					BIT(8)};
	struct raw *raw = *state;

	for (unsigned int level = 1; level <= 4; level++)
		for (unsigned int variant = 0; variant < 16; variant++) {
			struct tdp_walk_config config = plain;

			config.maxphyaddr = 50;
			config.host_nxe = variant & 1;
			config.host_smep = variant & 2;
			raw_build(raw, &config, 1);
			raw_build_guest(raw, TDP_PAGING_LONG, 1);
			raw->paging.nxe = variant & 4;
			raw->paging.smep = variant & 8;
			check_reserved_entry(raw, level, bits[level]);
		}
}

static void a_large_leaf_that_the_machine_does_not_know_is_reserved(void **state)
{
	struct tdp_walk_config no_1g = with_nxe, no_2m = with_nxe;
	struct tdp_walk_result result;
	struct raw *raw = *state;

	no_1g.no_1g = true;
	no_2m.no_2m = true;
	for (unsigned int leaf = 1; leaf <= TDP_LEAF_LEVEL_MAX; leaf++) {
		raw_build(raw, &no_1g, leaf);
		result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
		expect(raw, &result, leaf == 3 ? FINAL | US | RSV | P : OK);
		raw_build(raw, &no_2m, leaf);
		result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
		expect(raw, &result, leaf == 2 ? FINAL | US | RSV | P : OK);
	}
}

static void a_reserved_bit_below_wins_over_a_missing_right_above(void **state)
{
	struct tdp_walk_config config = with_nxe;
	struct tdp_walk_result result;
	struct raw *raw = *state;

	config.maxphyaddr = 46;
	raw_build(raw, &config, 1);
	*raw_data_entry(raw, 4) &= ~(NPT_W | NPT_U);
	*raw_data_entry(raw, 1) |= BIT(51);
	result = raw_walk_gpa(raw, raw->data, TDP_WRITE, true);
	expect(raw, &result, FINAL | US | RSV | RW | P);
}

static void an_address_wider_than_the_walk_faults_as_the_config_says(void **state)
{
	struct tdp_walk_config config = with_nxe;
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &config, 1);
	result = raw_walk_gpa(raw, raw->data | BIT(48), TDP_WRITE, true);
	expect(raw, &result, FINAL | US | RW);
	raw->config.wide_gpa_reserved = true;
	result = raw_walk_gpa(raw, raw->data | BIT(48), TDP_WRITE, true);
	expect(raw, &result, FINAL | US | RSV | RW | P);
	config.levels = 5;
	raw_build(raw, &config, 1);
	result = raw_walk_gpa(raw, raw->data, TDP_WRITE, true);
	expect(raw, &result, OK);
	result = raw_walk_gpa(raw, raw->data | BIT(57), TDP_WRITE, true);
	expect(raw, &result, FINAL | US | RW);
}

/* Accessed and dirty flags */

static void a_read_sets_accessed_and_a_write_dirty_in_the_leaf_alone(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (unsigned int leaf = 1; leaf <= TDP_LEAF_LEVEL_MAX; leaf++) {
		raw_build(raw, &with_nxe, leaf);
		for (int write = 0; write < 2; write++) {
			result = raw_walk_gpa(raw, raw->data, write ? TDP_WRITE : TDP_READ, true);
			assert_int_equal(result.dirty, write);
			for (unsigned int level = leaf; level <= 4; level++)
				assert_int_equal(*raw_data_entry(raw, level) & (NPT_A | NPT_D),
						 level == leaf && write ? NPT_A | NPT_D : NPT_A);
		}
	}
}

static void the_pages_of_a_guests_tables_become_dirty_by_reading(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &with_nxe, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	result = raw_walk(raw, TDP_READ, true);
	expect(raw, &result, OK);
	for (unsigned int level = 1; level <= 4; level++)
		assert_int_equal(*raw_entry(raw, raw->guest_gpa[level], 1) & (NPT_A | NPT_D),
				 NPT_A | NPT_D);
	assert_int_equal(*raw_data_entry(raw, 1) & (NPT_A | NPT_D), NPT_A);
}

static void an_entry_outside_the_host_ends_the_walk_without_a_crash(void **state)
{
	struct raw *raw = *state;
	/* The last frame of all, and one between the host's tables and its data. */
	const uint64_t outside[] = {0xffffffffffULL, tdp_host_carveout(raw->host).n - 1};

	raw_build(raw, &with_nxe, 1);
	for (unsigned int i = 0; i < 2 * 4; i++) {
		uint64_t *entry = raw_data_entry(raw, i / 2 + 1);
		uint64_t whole = *entry;
		struct tdp_walk_result result;

		assert_null(tdp_host_frame(raw->host, tdp_pfn(outside[i % 2])));
		*entry = raw_rights(raw) | outside[i % 2] << TDP_PAGE_SHIFT;
		result = raw_walk_gpa(raw, raw->data, TDP_READ, true);
		assert_int_equal(result.outcome, TDP_WALK_NO_FRAME);
		assert_int_equal(result.entry_level, i / 2 + 1);
		*entry = whole;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_at_each_level_gives_what_the_hardware_gives),
		cmocka_unit_test(smep_or_nxe_of_the_host_makes_a_fetch_known_as_one),
		cmocka_unit_test(the_guests_own_nx_and_smep_do_not_matter),
		cmocka_unit_test(a_read_only_page_under_cr3_faults_as_a_table_write),
		cmocka_unit_test(a_table_page_must_be_present_writable_and_a_users_at_each_level),
		cmocka_unit_test(gmet_lets_table_walks_pass_supervisor_pages),
		cmocka_unit_test(gmet_stops_supervisor_code_alone),
		cmocka_unit_test(an_upper_entry_over_data_and_tables_is_met_by_the_tables_first),
		cmocka_unit_test(nx_over_a_table_page_stops_neither_walks_nor_data),
		cmocka_unit_test(final_and_table_pages_unmapped_and_write_protected_are_told_apart),
		cmocka_unit_test(an_mmio_page_mapped_as_memory_is_read_and_its_writes_stopped),
		cmocka_unit_test(each_bit_is_reserved_or_ignored_at_every_maxphyaddr),
		cmocka_unit_test(the_highest_low_bits_of_large_leaves_are_reserved_and_pat_is_not),
		cmocka_unit_test(reserved_bits_are_reported_whatever_the_guests_controls_are),
		cmocka_unit_test(a_large_leaf_that_the_machine_does_not_know_is_reserved),
		cmocka_unit_test(a_reserved_bit_below_wins_over_a_missing_right_above),
		cmocka_unit_test(an_address_wider_than_the_walk_faults_as_the_config_says),
		cmocka_unit_test(a_read_sets_accessed_and_a_write_dirty_in_the_leaf_alone),
		cmocka_unit_test(the_pages_of_a_guests_tables_become_dirty_by_reading),
		cmocka_unit_test(an_entry_outside_the_host_ends_the_walk_without_a_crash),
	};

	return cmocka_run_group_tests_name("paging/walk/npt", tests, raw_setup, raw_teardown);
}
