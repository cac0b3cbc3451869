/*
 * Entry layouts and role words, against worked values. Those of 6.12 to 7.3 stand in captures of
 * these kernels; those under MBEC and GMET, and the role words of 5.13 and 5.14, are derived from
 * the kernel's bit tables.
 */
#include "support/guest.h"
#include "support/hosts.h"

#include "paging/role.h"
#include "paging/spte.h"
#include "vm/vm.h"

#define AT (0x16816ULL << 12)

struct machine {
	enum tdp_format format;
	bool no_ad, gmet, wrprot;
};

static struct encoding made(enum tdp_entry_layout layout, struct machine machine)
{
	const struct format *format = machine.format == TDP_EPT ? &format_ept : &format_npt;
	struct encoding encoding;

	encoding_init(&encoding,
		      &(struct encoding_config){
			      .format = format,
			      .layout = layout_of(layout, machine.format),
			      .gmet = machine.gmet,
			      .hardware_ad = !machine.no_ad,
			      .execute_only = machine.format == TDP_EPT,
			      .suppress_ve = true,
			      .software_ad = true,
			      .dirty_at_birth = true,
			      .lockless_age = true,
			      .mmio_caching = true,
			      .cpu_logs_writes = machine.format == TDP_EPT && !machine.no_ad,
			      .l1tf_width = machine.format == TDP_EPT ? 40 : 0,
		      });
	return encoding;
}

#define EPT	  ((struct machine){.format = TDP_EPT})
#define EPT_NO_AD ((struct machine){.format = TDP_EPT, .no_ad = true})
#define NPT	  ((struct machine){.format = TDP_NPT})
#define NPT_GMET  ((struct machine){.format = TDP_NPT, .gmet = true})
#define OLD	  TDP_ENTRY_LAYOUT_5_13
#define NEW	  TDP_ENTRY_LAYOUT_7_2

static uint64_t leaf(enum tdp_entry_layout layout, struct machine machine, struct leaf leaf)
{
	struct encoding e = made(layout, machine);

	leaf.pfn = tdp_pfn(AT >> 12);
	if (leaf.level > TDP_4K)
		leaf.pfn.n = 0x16800;
	return spte_make_leaf(&e, &leaf) & ~ENTRY_ADDRESS;
}

static void frozen_is_what_7_2_needs_it_to_be(void **state)
{
	struct encoding old = made(OLD, EPT), ept = made(NEW, EPT), npt = made(NEW, NPT);

	(void)state;
	assert_int_equal(old.frozen, 0x80000000000005a0);
	assert_int_equal(ept.frozen, 0x80000000000001a0);
	assert_int_equal(npt.frozen, 0x80000000000001a0);
	assert_int_equal(ept.nonpresent, 0x8000000000000000);
	/* Bit 10 makes an entry present under MBEC. */
	assert_int_equal(ept.frozen & (1 << 10), 0);
}

static void tables_are_those_of_the_captures(void **state)
{
	struct encoding old = made(OLD, EPT), ept = made(NEW, EPT), npt = made(NEW, NPT);
	struct encoding old_no_ad = made(OLD, EPT_NO_AD), no_ad = made(NEW, EPT_NO_AD);
	struct encoding gmet = made(NEW, NPT_GMET);

	(void)state;
	assert_int_equal(old.table_bits, 0x8000000000000907);
	assert_int_equal(ept.table_bits, 0x8000000000000d07);
	assert_int_equal(old_no_ad.table_bits, 0x8010000000000807);
	assert_int_equal(no_ad.table_bits, 0x9000000000000c07);
	assert_int_equal(npt.table_bits, 0x827);
	assert_int_equal(gmet.table_bits, 0x827); /* derived: U stays */
}

static void leaves_are_those_of_the_captures(void **state)
{
	const struct leaf writable = {.level = TDP_4K, .writable = true};
	const struct leaf huge = {.level = TDP_2M, .writable = true};
	const struct leaf huge_nx = {.level = TDP_2M, .writable = true, .no_exec = true};
	const struct leaf prefetched = {.level = TDP_4K, .writable = true, .prefetch = true};

	(void)state;
	assert_int_equal(leaf(OLD, EPT, writable), 0x8600000000000b77);
	assert_int_equal(leaf(NEW, EPT, writable), 0x80a0000000000f77);
	assert_int_equal(leaf(NEW, EPT, huge), 0x80a0000000000ff7);
	assert_int_equal(leaf(OLD, EPT, huge_nx), 0x8600000000000bf3);
	assert_int_equal(leaf(NEW, EPT, huge_nx), 0x80a0000000000bf3);
	assert_int_equal(leaf(NEW, EPT, (struct leaf){.level = TDP_4K}), 0x8000000000000d75);
	assert_int_equal(leaf(NEW, EPT, prefetched), 0x80a0000000000e77);
	assert_int_equal(leaf(NEW, NPT, writable), 0xe67);
	assert_int_equal(leaf(NEW, NPT, huge_nx), 0x8000000000000ee7);
	assert_int_equal(leaf(NEW, NPT_GMET, writable), 0xe63); /* derived */
}

static void an_old_page_saves_its_three_rights(void **state)
{
	struct encoding old = made(OLD, EPT_NO_AD), new = made(NEW, EPT_NO_AD);
	uint64_t young = leaf(NEW, EPT_NO_AD, (struct leaf){.level = TDP_4K, .writable = true});
	uint64_t aged = spte_to_tracked(&new, young);

	(void)state;
	assert_int_equal(young, 0x90a0000000000f77);
	assert_int_equal(aged, 0xd0f0000000000a70);
	assert_true(spte_access_tracked(&new, aged));
	assert_false(spte_access_tracked(&new, young));
	/* R, X and XU come back; W does not, nor does A. */
	assert_int_equal(spte_restore(&new, aged), 0x90a0000000000e75);
	young = leaf(OLD, EPT_NO_AD, (struct leaf){.level = TDP_4K, .writable = true});
	assert_int_equal(young, 0x8610000000000b77);
	assert_int_equal(spte_to_tracked(&old, young), 0x8750000000000a70);
}

static void the_generation_of_7_2_leaves_bit_10_alone(void **state)
{
	struct encoding old = made(OLD, NPT), npt = made(NEW, NPT), ept = made(NEW, EPT);

	(void)state;
	assert_int_equal(spte_make_mmio(&old, tdp_gfn(0x60003), 0x9a), 0x80000600034d7);
	assert_int_equal(spte_make_mmio(&npt, tdp_gfn(0x60003), 0x9a), 0x180000600030d7);
	assert_int_equal(spte_make_mmio(&ept, tdp_gfn(0x60003), 0x9a), 0x1000f8600030d6);
	assert_int_equal(npt.mmio_generation_mask, 0x3ffff);
	assert_int_equal(old.mmio_generation_mask, 0x7ffff);
	for (uint64_t generation = 1; generation <= npt.mmio_generation_mask; generation *= 2) {
		uint64_t spte = spte_make_mmio(&ept, tdp_gfn(3), generation);

		assert_int_equal(spte & (1 << 10), 0);
		assert_int_equal(spte_mmio_generation(&ept, spte), generation);
	}
}

/* Does the change of slots that takes the generation to 0x40000 drop all roots? */
static bool wraps_at_18_bits(void **state, enum tdp_baseline baseline)
{
	struct guest *guest = guest_make(state, .vm.baseline = baseline);

	guest_slot(guest, 1, 0x40000, 64, 0);
	guest_touch(guest, 0x40000, TDP_WRITE);
	u64_store_release(&memslots_of(&guest->vm->memory, 0)->generation, 0x40000 - 4);
	guest_forget(guest);
	guest_slot(guest, 2, 0x80000, 64, 0);
	assert_int_equal(guest_count(guest, TDP_TRACE_ZAP_ALL_FAST), 0);
	guest_slot(guest, 3, 0xc0000, 64, 0);
	assert_int_equal(tdp_vm_memslot_generation(guest->vm), 0x40000);
	return guest_count(guest, TDP_TRACE_ZAP_ALL_FAST) && !guest_stats(guest).pages_4k;
}

/* Derived: no capture changes its slots as often. */
static void a_generation_of_7_2_wraps_after_half_as_many_changes(void **state)
{
	assert_true(wraps_at_18_bits(state, TDP_BASELINE_7_2));
}

static void until_7_1_it_does_not_wrap_there(void **state)
{
	assert_false(wraps_at_18_bits(state, TDP_BASELINE_6_18));
}

static uint32_t word(enum tdp_entry_layout layout, struct root_role role)
{
	return role_word(role_of_root(&role), layout);
}

/* 5.13 takes NX and WP from the guest, 5.14 while it pages; both are 1 since 5.19. */
#define ROOT(...) ((struct root_role){.efer_nx = true, .cr0_wp = true, __VA_ARGS__})

static void role_words_are_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(word(OLD, ROOT(.level = 4)), 0x3784);
	assert_int_equal(word(OLD, ROOT(.level = 5)), 0x3785);
	assert_int_equal(word(OLD, ROOT(.level = 4, .address_space = 1)), 0x1003784);
	assert_int_equal(word(OLD, ROOT(.level = 4, .guest_mode = true)), 0x23784);
	assert_int_equal(word(OLD, ROOT(.level = 4, .ad_disabled = true)), 0x13784);
	assert_int_equal(word(NEW, ROOT(.level = 4)), 0x6f84);
	assert_int_equal(word(NEW, ROOT(.level = 5)), 0x6f85);
	assert_int_equal(word(NEW, ROOT(.level = 4, .ad_disabled = true)), 0x16f84);
	/* Derived: */
	assert_int_equal(word(NEW, ROOT(.level = 4, .address_space = 1)), 0x1006f84);
	assert_int_equal(word(NEW, ROOT(.level = 4, .guest_mode = true)), 0x26f84);
	assert_int_equal(word(NEW, ROOT(.level = 4, .mbec = true)), 0x106f84);
	assert_int_equal(word(NEW, ROOT(.level = 5, .mbec = true)), 0x106f85);
	assert_int_equal(word(NEW, ROOT(.level = 4, .gmet = true)), 0x106b84);
	assert_int_equal(word(NEW, ROOT(.level = 5, .gmet = true)), 0x106b85);
	assert_int_equal(role_word(role_of_root(&ROOT(.level = 4)) | ROLE_INVALID, NEW), 0x7f84);
	assert_int_equal(role_word(role_of_root(&ROOT(.level = 4)) | ROLE_INVALID, OLD), 0x3f84);
}

static uint32_t role_of_guest(enum tdp_baseline baseline, uint64_t cr0, uint64_t efer)
{
	const struct tdp_vm_config config = {.baseline = baseline};
	const struct tdp_registers registers = {.cr0 = cr0, .cr4 = 0x20, .efer = efer};
	struct tdp_vcpu *vcpu;
	struct test_host test;
	struct tdp_vm *vm;
	uint32_t role;

	host_begin(&test);
	assert_int_equal(tdp_vm_create(test.host, &config, &vm), 0);
	assert_int_equal(tdp_vcpu_create(vm, NULL, &vcpu), 0);
	assert_int_equal(tdp_vcpu_set_registers(vcpu, &registers, TDP_CHANGE_SREGS), 0);
	role = role_word(vcpu_root_role(vcpu), vm->mmu.policy.layout);
	tdp_vm_destroy(vm);
	host_end(&test);
	return role;
}

static void old_roles_take_nx_and_wp_from_the_guest(void **state)
{
	const uint64_t pe = 1, wp = 1 << 16, pg = 1u << 31, nx = 1 << 11, lme = 1 << 8;

	(void)state;
	assert_int_equal(role_of_guest(TDP_BASELINE_5_13, pe, 0), 0x0784);
	assert_int_equal(role_of_guest(TDP_BASELINE_5_13, pe | wp, nx), 0x3784);
	assert_int_equal(role_of_guest(TDP_BASELINE_5_14, pe | wp, nx), 0x0784);
	assert_int_equal(role_of_guest(TDP_BASELINE_5_14, pe | pg | wp, nx | lme), 0x3784);
	assert_int_equal(role_of_guest(TDP_BASELINE_6_1, pe, 0), 0x3784);
	assert_int_equal(role_of_guest(TDP_BASELINE_6_18, pe, 0), 0x3784);
	assert_int_equal(role_of_guest(TDP_BASELINE_7_2, pe, 0), 0x6f84);
}

static void mbec_and_gmet_need_their_format_and_layout(void **state)
{
	struct test_host test;
	struct tdp_vm *vm = NULL;
	const struct tdp_vm_config refused[] = {
		{.format = TDP_NPT, .mbec = true, .baseline = TDP_BASELINE_7_2},
		{.format = TDP_EPT, .gmet = true, .baseline = TDP_BASELINE_7_2},
		{.format = TDP_EPT, .mbec = true, .baseline = TDP_BASELINE_6_18},
	};
	const struct tdp_vm_config taken = {
		.format = TDP_EPT, .mbec = true, .baseline = TDP_BASELINE_7_2};

	(void)state;
	host_begin(&test);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(tdp_vm_create(test.host, &refused[i], &vm), -EINVAL);
	assert_null(vm);
	assert_int_equal(tdp_vm_create(test.host, &taken, &vm), 0);
	tdp_vm_destroy(vm);
	host_end(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frozen_is_what_7_2_needs_it_to_be),
		cmocka_unit_test(tables_are_those_of_the_captures),
		cmocka_unit_test(leaves_are_those_of_the_captures),
		cmocka_unit_test(an_old_page_saves_its_three_rights),
		cmocka_unit_test(the_generation_of_7_2_leaves_bit_10_alone),
		guest_tests(a_generation_of_7_2_wraps_after_half_as_many_changes),
		guest_tests(until_7_1_it_does_not_wrap_there),
		cmocka_unit_test(role_words_are_the_kernels),
		cmocka_unit_test(old_roles_take_nx_and_wp_from_the_guest),
		cmocka_unit_test(mbec_and_gmet_need_their_format_and_layout),
	};

	return cmocka_run_group_tests_name("paging/layout", tests, NULL, NULL);
}
