/*
 * A guest's own tables, each met through the second level: page faults, rights,
 * sizes and modes. What becomes of the pages that hold them:
 * test_walk_guest_tables.c.
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

/* The guest's page faults */

struct fault_row {
	const char *name;
	unsigned int level; /* of the entry changed */
	uint64_t clear, set;
	bool no_wp, no_nxe, smep, smap;
	/* Supervisor read, write, fetch; then user. */
	uint64_t wanted[6];
};

/* clang-format off */
static const struct fault_row fault_rows[] = {
	{.name = "all granted", .level = 1, .wanted = {OK, OK, OK, OK, OK, OK}},
	{.name = "not present", .level = 1, .clear = GUEST_P,
	 .wanted = {PF(0), PF(PF_W), PF(PF_I), PF(PF_U), PF(PF_U | PF_W), PF(PF_U | PF_I)}},
	{.name = "not present, no NXE", .level = 3, .clear = GUEST_P, .no_nxe = true,
	 .wanted = {PF(0), PF(PF_W), PF(0), PF(PF_U), PF(PF_U | PF_W), PF(PF_U)}},
	{.name = "not present, no NXE, SMEP", .level = 4, .clear = GUEST_P, .no_nxe = true,
	 .smep = true,
	 .wanted = {PF(0), PF(PF_W), PF(PF_I), PF(PF_U), PF(PF_U | PF_W), PF(PF_U | PF_I)}},
	{.name = "not present, reserved bits set", .level = 2, .clear = GUEST_P, .set = BIT(51),
	 .wanted = {PF(0), PF(PF_W), PF(PF_I), PF(PF_U), PF(PF_U | PF_W), PF(PF_U | PF_I)}},
	{.name = "read only", .level = 2, .clear = GUEST_W,
	 .wanted = {OK, PF(PF_P | PF_W), OK, OK, PF(PF_P | PF_U | PF_W), OK}},
	{.name = "read only, CR0.WP clear", .level = 3, .clear = GUEST_W, .no_wp = true,
	 .wanted = {OK, OK, OK, OK, PF(PF_P | PF_U | PF_W), OK}},
	{.name = "supervisor", .level = 4, .clear = GUEST_U,
	 .wanted = {OK, OK, OK, PF(PF_P | PF_U), PF(PF_P | PF_U | PF_W), PF(PF_P | PF_U | PF_I)}},
	{.name = "no execute", .level = 3, .set = GUEST_NX,
	 .wanted = {OK, OK, PF(PF_P | PF_I), OK, OK, PF(PF_P | PF_U | PF_I)}},
	{.name = "NX without NXE", .level = 1, .set = GUEST_NX, .no_nxe = true,
	 .wanted = {PF(PF_P | PF_RSVD), PF(PF_P | PF_RSVD | PF_W), PF(PF_P | PF_RSVD),
		    PF(PF_P | PF_RSVD | PF_U), PF(PF_P | PF_RSVD | PF_U | PF_W),
		    PF(PF_P | PF_RSVD | PF_U)}},
	{.name = "user page under SMEP", .level = 1, .smep = true,
	 .wanted = {OK, OK, PF(PF_P | PF_I), OK, OK, OK}},
	{.name = "supervisor page under SMEP and SMAP", .level = 2, .clear = GUEST_U,
	 .smep = true, .smap = true,
	 .wanted = {OK, OK, OK, PF(PF_P | PF_U), PF(PF_P | PF_U | PF_W), PF(PF_P | PF_U | PF_I)}},
	{.name = "user page under SMAP", .level = 1, .smap = true,
	 .wanted = {PF(PF_P), PF(PF_P | PF_W), OK, OK, OK, OK}},
	{.name = "reserved address bit", .level = 1, .set = BIT(51),
	 .wanted = {PF(PF_P | PF_RSVD), PF(PF_P | PF_RSVD | PF_W), PF(PF_P | PF_RSVD | PF_I),
		    PF(PF_P | PF_RSVD | PF_U), PF(PF_P | PF_RSVD | PF_U | PF_W),
		    PF(PF_P | PF_RSVD | PF_U | PF_I)}},
	{.name = "PS in a PML4E", .level = 4, .set = LARGE,
	 .wanted = {PF(PF_P | PF_RSVD), PF(PF_P | PF_RSVD | PF_W), PF(PF_P | PF_RSVD | PF_I),
		    PF(PF_P | PF_RSVD | PF_U), PF(PF_P | PF_RSVD | PF_U | PF_W),
		    PF(PF_P | PF_RSVD | PF_U | PF_I)}},
};
/* clang-format on */

static void check_fault_row(struct raw *raw, const struct fault_row *row)
{
	uint64_t *entry = raw_guest_entry(raw, row->level);
	uint64_t changed = (*entry & ~row->clear) | row->set;
	unsigned int rights = 0;

	raw->paging.wp = !row->no_wp;
	raw->paging.nxe = !row->no_nxe;
	raw->paging.smep = row->smep;
	raw->paging.smap = row->smap;
	for (unsigned int i = 0; i < 6; i++) {
		struct tdp_walk_result result;

		*entry = changed;
		result = raw_walk(raw, (enum tdp_access)(i % 3), i >= 3);
		if (!is_as_wanted(&result, row->wanted[i]))
			print_message("%s, access %u\n", row->name, i);
		expect(&result, row->wanted[i]);
		if (row->wanted[i] == OK)
			rights |= TDP_RIGHT(i % 3, i >= 3);
		else
			assert_int_equal(*entry, changed);
	}
	/* Each walk that succeeds says which of the others would. */
	for (unsigned int i = 0; i < 6; i++) {
		struct tdp_walk_result result = raw_walk(raw, (enum tdp_access)(i % 3), i >= 3);

		if (result.outcome != TDP_WALK_DONE)
			continue;
		assert_int_equal(result.rights, rights);
		assert_int_equal(result.writable, !!(rights & TDP_RIGHT(TDP_WRITE, i >= 3)));
		assert_int_equal(result.executable, !!(rights & TDP_RIGHT(TDP_FETCH, i >= 3)));
		assert_int_equal(result.user, !!(rights & TDP_RIGHT(TDP_READ, true)));
	}
}

static void each_fault_of_the_guests_tables_has_its_error_code(void **state)
{
	const struct tdp_walk_config *configs[] = {&ept, &ept_ad, &npt};
	struct raw *raw = *state;

	for (unsigned int i = 0; i < 6; i++)
		for (size_t row = 0; row < sizeof(fault_rows) / sizeof(fault_rows[0]); row++) {
			struct tdp_walk_config config = *configs[i / 2];

			config.maxphyaddr = 51;
			raw_build(raw, &config, 1);
			raw_build_guest(raw, i & 1 ? TDP_PAGING_LONG_LA57 : TDP_PAGING_LONG, 1);
			check_fault_row(raw, &fault_rows[row]);
		}
}

static void a_fault_names_the_guest_entry_and_sets_no_flag_of_the_guest(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (unsigned int level = 1; level <= 4; level++) {
		raw_build(raw, &ept_ad, 1);
		raw_build_guest(raw, TDP_PAGING_LONG, 1);
		*raw_guest_entry(raw, level) &= ~GUEST_P;
		result = raw_walk(raw, TDP_WRITE, false);
		expect(&result, PF(PF_W));
		assert_int_equal(result.gpa, raw->guest_gpa[level]);
		for (unsigned int at = 1; at <= 4; at++)
			assert_int_equal(*raw_guest_entry(raw, at) & (GUEST_A | GUEST_D), 0);
	}
}

static void reserved_bits_of_a_guest_follow_maxphyaddr(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (unsigned int width = 40; width <= 52; width++)
		for (unsigned int level = 1; level <= 4; level++)
			for (unsigned int bit = 40; bit <= 51; bit++) {
				struct tdp_walk_config config = ept;

				config.maxphyaddr = width;
				raw_build(raw, &config, 1);
				raw_build_guest(raw, TDP_PAGING_LONG, 1);
				*raw_guest_entry(raw, level) |= BIT(bit);
				result = raw_walk(raw, TDP_READ, false);
				if (bit >= width)
					expect(&result, PF(PF_P | PF_RSVD));
				else
					assert_int_not_equal(result.outcome, TDP_WALK_GUEST_FAULT);
			}
}

static void bit_8_of_a_guests_pml4e_is_reserved_on_amd_alone(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &ept, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	*raw_guest_entry(raw, 4) |= BIT(8);
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, OK);
	raw_build(raw, &npt, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	*raw_guest_entry(raw, 4) |= BIT(8);
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, PF(PF_P | PF_RSVD));
}

static void an_address_that_is_not_canonical_faults_without_a_code(void **state)
{
	struct tdp_walk_request request = {.access = TDP_WRITE, .user = true};
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &ept, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	request.address = RAW_LINEAR | BIT(47);
	tdp_walk(raw->host, &ept, raw->root, &raw->paging, &request, &result);
	expect(&result, PF(0));
	/* Canonical, merely not mapped. */
	request.address |= 0xffffULL << 48;
	tdp_walk(raw->host, &ept, raw->root, &raw->paging, &request, &result);
	expect(&result, PF(PF_W | PF_U));
	raw_build_guest(raw, TDP_PAGING_LONG_LA57, 1);
	request.address = RAW_LINEAR | BIT(47);
	tdp_walk(raw->host, &ept, raw->root, &raw->paging, &request, &result);
	expect(&result, PF(PF_W | PF_U));
	request.address = RAW_LINEAR | BIT(56);
	tdp_walk(raw->host, &ept, raw->root, &raw->paging, &request, &result);
	expect(&result, PF(0));
}

/* Sizes and modes */

static void a_large_page_of_the_guest_maps_what_lies_in_it(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (unsigned int second = 1; second <= 3; second++)
		for (unsigned int level = 1; level <= 3; level++) {
			uint64_t offset = RAW_LINEAR & (tdp_level_bytes(level) - 1);

			raw_build(raw, &ept, 3);
			raw_build_guest(raw, TDP_PAGING_LONG, level);
			raw->paging.nxe = true;
			if (second < 3) {
				*raw_data_entry(raw, 3) = 0;
				raw_map(raw, raw->data + (offset & ~(tdp_level_bytes(second) - 1)),
					second, raw->buffer.n);
			}
			result = raw_walk(raw, TDP_READ, true);
			expect(&result, OK);
			assert_int_equal(result.gpa, raw->data + offset);
			assert_int_equal(result.level, second < level ? second : level);
			assert_int_equal(result.entry_level, second);
			assert_int_equal(result.pfn.n,
					 raw->buffer.n +
						 ((offset & (tdp_level_bytes(second) - 1)) >> 12));
		}
}

static void low_bits_of_a_guests_large_page_are_reserved_but_for_pat(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (unsigned int level = 2; level <= 3; level++)
		for (unsigned int bit = 12; bit < 12 + 9 * (level - 1); bit++) {
			raw_build(raw, &ept, 3);
			raw_build_guest(raw, TDP_PAGING_LONG, level);
			*raw_guest_entry(raw, level) |= BIT(bit);
			result = raw_walk(raw, TDP_READ, true);
			expect(&result, bit == 12 ? OK : PF(PF_P | PF_RSVD | PF_U));
		}
}

static void a_1g_page_of_a_guest_needs_the_cpus_support_on_amd(void **state)
{
	struct tdp_walk_config config = npt;
	struct tdp_walk_result result;
	struct raw *raw = *state;

	config.no_1g = true;
	raw_build(raw, &config, 2);
	raw_build_guest(raw, TDP_PAGING_LONG, 3);
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, PF(PF_P | PF_RSVD));
	/* On Intel the missing 1G leaves are EPT's own. */
	config = ept;
	config.no_1g = true;
	raw_build(raw, &config, 2);
	raw_build_guest(raw, TDP_PAGING_LONG, 3);
	raw_map(raw, raw->data + (RAW_LINEAR & (BIT(30) - 1)), 1, raw->buffer.n + 1);
	result = raw_walk(raw, TDP_READ, false);
	expect(&result, OK);
}

static void five_levels_use_the_upper_bits_of_an_address(void **state)
{
	struct tdp_walk_request request = {.access = TDP_READ};
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &npt, 1);
	raw_build_guest(raw, TDP_PAGING_LONG_LA57, 1);
	result = raw_walk(raw, TDP_READ, true);
	expect(&result, OK);
	assert_int_equal(result.gpa, raw->data);
	request.address = RAW_LINEAR | BIT(48);
	tdp_walk(raw->host, &npt, raw->root, &raw->paging, &request, &result);
	expect(&result, PF(0));
	assert_int_equal(result.gpa, raw->guest_gpa[5] + 8);
}

static void without_paging_the_linear_address_is_the_physical_one(void **state)
{
	const struct tdp_walk_config *configs[] = {&ept, &npt};
	struct tdp_guest_paging paging = {.mode = TDP_PAGING_NONE};
	struct tdp_walk_request request = {.access = TDP_WRITE, .user = true};
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (unsigned int i = 0; i < 2; i++) {
		raw_build(raw, configs[i], 2);
		request.address = raw->data + 0x5678;
		tdp_walk(raw->host, configs[i], raw->root, &paging, &request, &result);
		expect(&result, OK);
		assert_int_equal(result.gpa, raw->data + 0x5678);
		assert_int_equal(result.pfn.n, raw->buffer.n + 5);
		assert_int_equal(result.level, 2);
		assert_int_equal(result.rights, TDP_RIGHTS_ALL);
	}
}

/* 32-bit: the data page lies below 4 GiB. */
#define LOW_DATA 0x40000000ULL

static void build_32bit(struct raw *raw, const struct tdp_walk_config *config)
{
	raw_build(raw, config, 1);
	raw_build_guest(raw, TDP_PAGING_32BIT, 1);
	raw_map(raw, LOW_DATA, 1, raw->buffer.n + 1);
	*raw_guest_entry_32bit(raw, 1) = LOW_DATA | GUEST_RIGHTS;
}

static void a_32bit_guest_walks_two_levels_of_four_byte_entries(void **state)
{
	const struct tdp_walk_config *configs[] = {&ept, &ept_ad, &npt};
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (unsigned int i = 0; i < 3; i++) {
		uint64_t before;

		build_32bit(raw, configs[i]);
		before = raw_guest_entry_32bit(raw, 1)[1];
		result = raw_walk(raw, TDP_WRITE, true);
		expect(&result, OK);
		assert_int_equal(result.gpa, LOW_DATA);
		assert_int_equal(result.pfn.n, raw->buffer.n + 1);
		assert_int_equal(*raw_guest_entry_32bit(raw, 1),
				 LOW_DATA | GUEST_RIGHTS | GUEST_A | GUEST_D);
		assert_int_equal(*raw_guest_entry_32bit(raw, 2) & (GUEST_A | GUEST_D), GUEST_A);
		assert_int_equal(raw_guest_entry_32bit(raw, 1)[1], before);
	}
}

static void a_32bit_guest_has_no_nx_and_reports_fetches_only_under_smep(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	build_32bit(raw, &ept);
	raw->paging.nxe = true;
	result = raw_walk(raw, TDP_FETCH, true);
	expect(&result, OK);
	*raw_guest_entry_32bit(raw, 1) &= ~(uint32_t)GUEST_P;
	result = raw_walk(raw, TDP_FETCH, true);
	expect(&result, PF(PF_U));
	raw->paging.smep = true;
	result = raw_walk(raw, TDP_FETCH, true);
	expect(&result, PF(PF_U | PF_I));
	result = raw_walk(raw, TDP_WRITE, false);
	expect(&result, PF(PF_W));
}

static void the_upper_half_of_a_32bit_guests_address_is_dropped(void **state)
{
	struct tdp_walk_request request = {.access = TDP_READ};
	struct tdp_walk_result result;
	struct raw *raw = *state;

	build_32bit(raw, &ept);
	request.address = (RAW_LINEAR & 0xffffffff) | 0xdead00000000;
	tdp_walk(raw->host, &ept, raw->root, &raw->paging, &request, &result);
	expect(&result, OK);
	assert_int_equal(result.gpa, LOW_DATA);
}

static void a_4m_page_takes_its_upper_address_from_bits_20_to_13(void **state)
{
	uint64_t offset = RAW_LINEAR & 0x3fffff;
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &npt, 3);
	raw_build_guest(raw, TDP_PAGING_32BIT, 2);
	*raw_guest_entry_32bit(raw, 2) = (uint32_t)(GUEST_RIGHTS | LARGE | BIT(20)); /* 39 */
	result = raw_walk(raw, TDP_WRITE, true);
	expect(&result, OK);
	assert_int_equal(result.gpa, BIT(39) + offset);
	assert_int_equal(result.level, 2);
	assert_int_equal(*raw_guest_entry_32bit(raw, 2) & (GUEST_A | GUEST_D), GUEST_A | GUEST_D);
}

static void a_4m_page_reserves_what_lies_beyond_maxphyaddr(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	for (unsigned int width = 36; width <= 44; width++)
		for (unsigned int bit = 12; bit <= 21; bit++) {
			unsigned int address_bit = bit + 19; /* 13 holds address bit 32 */
			bool reserved = bit == 21 || (bit > 12 && address_bit >= width);
			struct tdp_walk_config config = ept;

			config.maxphyaddr = width;
			raw_build(raw, &config, 1);
			raw_build_guest(raw, TDP_PAGING_32BIT, 2);
			*raw_guest_entry_32bit(raw, 2) =
				(uint32_t)(LOW_DATA | GUEST_RIGHTS | LARGE | BIT(bit));
			result = raw_walk(raw, TDP_READ, false);
			if (reserved)
				expect(&result, PF(PF_P | PF_RSVD));
			else
				assert_int_equal(result.outcome, TDP_WALK_VIOLATION);
		}
}

static void without_pse_a_pde_points_to_a_table_whatever_bit_7_says(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	build_32bit(raw, &ept);
	raw->paging.pse = false;
	*raw_guest_entry_32bit(raw, 2) |= LARGE;
	result = raw_walk(raw, TDP_READ, true);
	expect(&result, OK);
	assert_int_equal(result.gpa, LOW_DATA);
}

static void a_32bit_guests_cr3_has_32_bits(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	build_32bit(raw, &ept);
	raw->paging.cr3 |= BIT(40) | 0xfff;
	result = raw_walk(raw, TDP_READ, true);
	expect(&result, OK);
}

static void a_guest_table_outside_the_host_ends_the_walk_without_a_crash(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &npt, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	for (unsigned int level = 1; level <= 4; level++) {
		uint64_t *entry = raw_entry(raw, raw->guest_gpa[level], 1);
		uint64_t whole = *entry;

		*entry |= 0x000ffffffffff000ULL;
		result = raw_walk(raw, TDP_READ, true);
		assert_int_equal(result.outcome, TDP_WALK_NO_FRAME);
		*entry = whole;
	}
}

static void a_paging_mode_that_does_not_exist_is_refused(void **state)
{
	struct tdp_guest_paging paging = {.mode = (enum tdp_paging_mode)9};
	struct tdp_walk_request request = {.access = TDP_READ};
	struct tdp_walk_result result = {.level = 77};
	struct raw *raw = *state;

	assert_true(tdp_walk(raw->host, &npt, raw->root, &paging, &request, &result) < 0);
	assert_int_equal(result.level, 77);
}

static void the_guests_rights_and_the_second_levels_are_joined(void **state)
{
	struct tdp_walk_result result;
	struct raw *raw = *state;

	raw_build(raw, &npt, 1);
	raw_build_guest(raw, TDP_PAGING_LONG, 1);
	*raw_guest_entry(raw, 2) &= ~GUEST_W;
	*raw_data_entry(raw, 1) |= NPT_NX;
	result = raw_walk(raw, TDP_READ, true);
	expect(&result, OK);
	assert_int_equal(result.rights, TDP_RIGHT(TDP_READ, false) | TDP_RIGHT(TDP_READ, true));
	raw->paging.wp = false;
	result = raw_walk(raw, TDP_READ, true);
	assert_int_equal(result.rights, TDP_RIGHT(TDP_READ, false) | TDP_RIGHT(TDP_READ, true) |
						TDP_RIGHT(TDP_WRITE, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_of_the_guests_tables_has_its_error_code),
		cmocka_unit_test(a_fault_names_the_guest_entry_and_sets_no_flag_of_the_guest),
		cmocka_unit_test(reserved_bits_of_a_guest_follow_maxphyaddr),
		cmocka_unit_test(bit_8_of_a_guests_pml4e_is_reserved_on_amd_alone),
		cmocka_unit_test(an_address_that_is_not_canonical_faults_without_a_code),
		cmocka_unit_test(a_large_page_of_the_guest_maps_what_lies_in_it),
		cmocka_unit_test(low_bits_of_a_guests_large_page_are_reserved_but_for_pat),
		cmocka_unit_test(a_1g_page_of_a_guest_needs_the_cpus_support_on_amd),
		cmocka_unit_test(five_levels_use_the_upper_bits_of_an_address),
		cmocka_unit_test(without_paging_the_linear_address_is_the_physical_one),
		cmocka_unit_test(a_32bit_guest_walks_two_levels_of_four_byte_entries),
		cmocka_unit_test(a_32bit_guest_has_no_nx_and_reports_fetches_only_under_smep),
		cmocka_unit_test(the_upper_half_of_a_32bit_guests_address_is_dropped),
		cmocka_unit_test(a_4m_page_takes_its_upper_address_from_bits_20_to_13),
		cmocka_unit_test(a_4m_page_reserves_what_lies_beyond_maxphyaddr),
		cmocka_unit_test(without_pse_a_pde_points_to_a_table_whatever_bit_7_says),
		cmocka_unit_test(a_32bit_guests_cr3_has_32_bits),
		cmocka_unit_test(a_guest_table_outside_the_host_ends_the_walk_without_a_crash),
		cmocka_unit_test(a_paging_mode_that_does_not_exist_is_refused),
		cmocka_unit_test(the_guests_rights_and_the_second_levels_are_joined),
	};

	return cmocka_run_group_tests_name("paging/walk/guest", tests, raw_setup, raw_teardown);
}
