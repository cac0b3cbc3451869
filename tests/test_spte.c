/*
 * SPTE encoding: each value that traces of real kernels (6.1.192, 6.12.117; NPT
 * and EPT) show, the rules of the 7.0 cycle where it differs, and a third entry
 * format of our own making, under which code that assumes one of the two fails.
 */
#include "paging/spte.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define BIT(n) (1ULL << (n))
#define FRAME  0x16816ULL
#define AT     (FRAME << 12)
#define VE     BIT(63)

enum kernel { K_6_1, K_6_12, K_LATEST };

static struct encoding made(const struct format *format, enum kernel kernel, bool hardware_ad)
{
	struct encoding encoding;

	encoding_init(&encoding, &(struct encoding_config){
					 .format = format,
					 .hardware_ad = hardware_ad,
					 .execute_only = format->id == TDP_EPT,
					 .suppress_ve = kernel != K_6_1,
					 .software_ad = kernel == K_LATEST,
					 .dirty_at_birth = kernel == K_LATEST,
					 .lockless_age = kernel == K_LATEST,
					 .mmio_caching = true,
				 });
	return encoding;
}

static struct leaf leaf_at(unsigned int level, bool writable)
{
	return (struct leaf){.level = level, .pfn = tdp_pfn(FRAME), .writable = writable};
}

/* The values of the kernel's traces */

struct value {
	const char *what;
	struct leaf leaf;
	uint64_t npt, ept; /* without the frame; ept without bit 63 */
};

static const struct value leaves[] = {
	{"4K, writable", {.level = 1, .writable = true}, 0xe67, 0x0600000000000b77},
	{"2M, writable", {.level = 2, .writable = true}, 0xee7, 0x0600000000000bf7},
	{"1G, writable", {.level = 3, .writable = true}, 0xee7, 0x0600000000000bf7},
	{"4K, read-only", {.level = 1}, 0x825, 0x975},
	{"2M, read-only", {.level = 2}, 0x8a5, 0x9f5},
	{"4K, prefault",
	 {.level = 1, .writable = true, .prefetch = true},
	 0xe47,
	 0x0600000000000a77},
	{"2M, prefault",
	 {.level = 2, .writable = true, .prefetch = true},
	 0xec7,
	 0x0600000000000af7},
	{"prefault, read-only", {.level = 1, .prefetch = true}, 0x805, 0x875},
	{"NX huge",
	 {.level = 2, .writable = true, .no_exec = true},
	 0x8000000000000ee7,
	 0x0600000000000bf3},
};

static void check_leaf(const struct value *value, enum kernel kernel)
{
	struct encoding npt = made(&format_npt, kernel, true);
	struct encoding ept = made(&format_ept, kernel, true);
	struct leaf leaf = value->leaf;
	uint64_t ve = kernel == K_6_1 ? 0 : VE;

	leaf.pfn = tdp_pfn(FRAME);
	leaf.old = npt.nonpresent;
	if (spte_make_leaf(&npt, &leaf) != (AT | value->npt) ||
	    spte_make_leaf(&ept, &leaf) != (AT | value->ept | ve))
		fail_msg("%s: 0x%llx, 0x%llx", value->what,
			 (unsigned long long)spte_make_leaf(&npt, &leaf),
			 (unsigned long long)spte_make_leaf(&ept, &leaf));
}

static void leaves_have_the_kernels_bits(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		for (enum kernel kernel = K_6_1; kernel <= K_LATEST; kernel++)
			check_leaf(&leaves[i], kernel);
}

static void tables_have_the_kernels_bits(void **state)
{
	struct encoding npt = made(&format_npt, K_6_1, true), ept = made(&format_ept, K_6_1, true);

	(void)state;
	assert_int_equal(spte_make_table(&npt, tdp_pfn(FRAME)), AT | 0x827);
	assert_int_equal(spte_make_table(&ept, tdp_pfn(FRAME)), AT | 0x907);
	npt = made(&format_npt, K_6_12, true);
	ept = made(&format_ept, K_6_12, true);
	assert_int_equal(spte_make_table(&npt, tdp_pfn(FRAME)), AT | 0x827);
	assert_int_equal(spte_make_table(&ept, tdp_pfn(FRAME)), AT | 0x907 | VE);
}

static void empty_and_frozen_entries_got_bit_63_in_6_10(void **state)
{
	const struct format *formats[] = {&format_npt, &format_ept};

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct encoding old = made(formats[i], K_6_1, true);
		struct encoding new = made(formats[i], K_6_12, true);

		assert_int_equal(old.nonpresent, 0);
		assert_int_equal(old.frozen, 0x5a0);
		assert_int_equal(new.nonpresent, 0x8000000000000000);
		assert_int_equal(new.frozen, 0x80000000000005a0);
	}
}

static void until_6_12_a_leaf_over_a_writable_one_began_clean(void **state)
{
	struct encoding npt = made(&format_npt, K_6_12, true);
	struct encoding ept = made(&format_ept, K_6_12, true);
	struct leaf leaf = leaf_at(1, true);

	(void)state;
	leaf.old = spte_make_leaf(&npt, &leaf);
	assert_int_equal(spte_make_leaf(&npt, &leaf), AT | 0xe27);
	leaf.old = AT | VE | 0x0600000000000b77;
	assert_int_equal(spte_make_leaf(&ept, &leaf), AT | VE | 0x0600000000000977);
	/* An MMIO entry counts as writable, by its bare bit 1. */
	leaf.old = spte_make_mmio(&npt, tdp_gfn(7), 4);
	assert_int_equal(spte_make_leaf(&npt, &leaf), AT | 0xe27);
	leaf.old = spte_make_mmio(&ept, tdp_gfn(7), 4);
	assert_int_equal(spte_make_leaf(&ept, &leaf), AT | VE | 0x0600000000000977);
	/* Prefault over a writable leaf: no A, no D. */
	leaf.prefetch = true;
	assert_int_equal(spte_make_leaf(&ept, &leaf), AT | VE | 0x0600000000000877);
	leaf.old = AT | 0xe67;
	assert_int_equal(spte_make_leaf(&npt, &leaf), AT | 0xe07);
}

static void a_writable_table_entry_is_no_writable_leaf(void **state)
{
	struct encoding npt = made(&format_npt, K_6_12, true);
	struct leaf leaf = leaf_at(2, true);

	(void)state;
	leaf.old = spte_make_table(&npt, tdp_pfn(99));
	assert_int_equal(spte_make_leaf(&npt, &leaf), AT | 0xee7);
}

static void since_6_13_each_writable_leaf_begins_dirty(void **state)
{
	struct encoding npt = made(&format_npt, K_LATEST, true);
	struct leaf leaf = leaf_at(1, true);

	(void)state;
	leaf.old = spte_make_leaf(&npt, &leaf);
	assert_int_equal(spte_make_leaf(&npt, &leaf), AT | 0xe67);
	leaf.old = spte_make_mmio(&npt, tdp_gfn(7), 4);
	assert_int_equal(spte_make_leaf(&npt, &leaf), AT | 0xe67);
}

static void device_memory_is_mapped_uncached_by_ept(void **state)
{
	struct encoding npt = made(&format_npt, K_LATEST, true);
	struct encoding ept = made(&format_ept, K_LATEST, true);
	struct leaf leaf = leaf_at(1, true);

	(void)state;
	leaf.device = true;
	assert_int_equal(spte_make_leaf(&ept, &leaf) & 0x78, 0);
	assert_int_equal(spte_make_leaf(&npt, &leaf), AT | 0xe67);
}

static void without_execute_only_pages_a_present_entry_always_has_r(void **state)
{
	struct encoding ept;

	(void)state;
	encoding_init(&ept, &(struct encoding_config){.format = &format_ept, .hardware_ad = true});
	assert_int_equal(ept.present, 1);
	assert_int_equal(made(&format_ept, K_6_1, true).present, 0);
	assert_int_equal(made(&format_ept, K_6_12, true).present, VE);
	assert_int_equal(made(&format_npt, K_6_12, true).present, 1);
}

/* Splitting */

static void children_of_a_2m_leaf_are_4k_leaves_with_its_bits(void **state)
{
	struct encoding npt = made(&format_npt, K_6_12, true);
	struct encoding ept = made(&format_ept, K_6_12, true);
	uint64_t huge = 0x40000000 | 0xee7;

	(void)state;
	assert_int_equal(spte_small_from_huge(&npt, huge, 2, 0, false), 0x40000000 | 0xe67);
	assert_int_equal(spte_small_from_huge(&npt, huge, 2, 511, false), 0x401ff000 | 0xe67);
	/* Write-protected by KVM_CLEAR_DIRTY_LOG. */
	assert_int_equal(spte_small_from_huge(&npt, 0x40000ae5, 2, 1, false), 0x40001a65);
	assert_int_equal(
		spte_small_from_huge(&ept, 0x40000000 | VE | 0x0200000000000bf5, 2, 3, false),
		0x40003000 | VE | 0x0200000000000b75);
}

static void children_of_a_1g_leaf_stay_large(void **state)
{
	struct encoding npt = made(&format_npt, K_6_12, true);

	(void)state;
	assert_int_equal(spte_small_from_huge(&npt, 0x40000ee7, 3, 0, false), 0x40000ee7);
	assert_int_equal(spte_small_from_huge(&npt, 0x40000ee7, 3, 5, false), 0x40a00ee7);
}

/* Under NX huge pages; the values are those of the kernels' traces (scenario nx). */
static void children_of_4k_of_an_nx_leaf_may_be_executed(void **state)
{
	struct encoding npt = made(&format_npt, K_6_12, true);
	struct encoding ept = made(&format_ept, K_6_12, true);

	(void)state;
	assert_int_equal(spte_small_from_huge(&npt, 0x8000000142e00ee7, 2, 0, true), 0x142e00e67);
	assert_int_equal(spte_small_from_huge(&ept, 0x8600000005c00bf3, 2, 1, true),
			 0x8600000005c01b77);
	/* While the mitigation is off they inherit; and what is still huge does anyway. */
	assert_int_equal(spte_small_from_huge(&npt, 0x8000000142e00ee7, 2, 0, false),
			 0x8000000142e00e67);
	assert_int_equal(spte_small_from_huge(&npt, 0x8000000140000ee7, 3, 1, true),
			 0x8000000140200ee7);
}

static void an_old_leaf_gains_and_loses_x_among_its_saved_rights(void **state)
{
	struct encoding ept = made(&format_ept, K_LATEST, false);
	struct leaf leaf = {.level = 2, .pfn = tdp_pfn(FRAME), .writable = true, .no_exec = true};
	uint64_t nx = spte_make_leaf(&ept, &leaf), old = spte_to_tracked(&ept, nx), given;

	(void)state;
	given = spte_make_executable(&ept, old);
	assert_true(spte_access_tracked(&ept, given));
	assert_false(spte_executable(&ept, spte_restore(&ept, old)));
	assert_true(spte_executable(&ept, spte_restore(&ept, given)));
	assert_int_equal(spte_make_nonexecutable(&ept, given), old);
	assert_int_equal(spte_make_nonexecutable(&ept, spte_make_executable(&ept, nx)), nx);
}

/* Access tracking, without A/D flags */

static void old_pages_lose_their_rights_where_the_cpu_keeps_no_flags(void **state)
{
	struct encoding ept = made(&format_ept, K_6_12, false);
	struct leaf leaf = leaf_at(1, true);
	uint64_t spte = spte_make_leaf(&ept, &leaf), aged;

	(void)state;
	assert_int_equal(spte_make_table(&ept, tdp_pfn(FRAME)), AT | VE | 0x0010000000000807);
	assert_int_equal(spte, AT | VE | 0x0610000000000877);
	aged = spte_to_tracked(&ept, spte);
	assert_int_equal(aged, AT | VE | 0x0750000000000870);
	assert_true(spte_access_tracked(&ept, aged));
	assert_false(spte_access_tracked(&ept, spte));
	assert_int_equal(spte_to_tracked(&ept, aged), aged);
	/* W does not come back by itself. */
	assert_int_equal(spte_restore(&ept, aged), AT | VE | 0x0610000000000875);
	for (enum tdp_access access = TDP_READ; access <= TDP_FETCH; access++)
		assert_false(spte_allows(&ept, aged, access));
}

static void with_software_flags_a_goes_with_the_rights(void **state)
{
	struct encoding ept = made(&format_ept, K_LATEST, false);
	struct leaf leaf = leaf_at(1, true);
	uint64_t spte = spte_make_leaf(&ept, &leaf), aged = spte_to_tracked(&ept, spte);

	(void)state;
	assert_int_equal(spte, AT | VE | 0x0610000000000b77);
	assert_int_equal(aged, AT | VE | 0x0750000000000a70);
	assert_int_equal(spte_restore(&ept, aged), AT | VE | 0x0610000000000a75);
	assert_int_equal(spte_make_table(&ept, tdp_pfn(FRAME)), AT | VE | 0x0010000000000807);
}

static void with_flags_an_old_page_only_loses_a(void **state)
{
	struct encoding npt = made(&format_npt, K_LATEST, true);
	struct encoding ept = made(&format_ept, K_LATEST, true);

	(void)state;
	assert_int_equal(spte_to_tracked(&npt, AT | 0xe67), AT | 0xe47);
	assert_int_equal(spte_to_tracked(&ept, AT | 0x0600000000000b77), AT | 0x0600000000000a77);
	assert_false(spte_access_tracked(&npt, AT | 0xe47));
}

/* Which exclusive writes must be atomic */

static void what_others_may_change_without_the_lock_is_volatile(void **state)
{
	struct encoding latest = made(&format_npt, K_LATEST, true);
	struct encoding old = made(&format_npt, K_6_12, true);

	(void)state;
	/* W may come back: MMU-writable without W. */
	assert_true(spte_volatile(&latest, AT | 0xe65, 1));
	assert_true(spte_volatile(&old, AT | 0xe65, 1));
	/* D may be set: W without D. */
	assert_true(spte_volatile(&latest, AT | 0xe27, 1));
	assert_true(spte_volatile(&old, AT | 0xe27, 1));
	/* Accessed and dirty already, or read-only. */
	assert_false(spte_volatile(&latest, AT | 0xe67, 1));
	assert_false(spte_volatile(&old, AT | 0xe67, 1));
	assert_false(spte_volatile(&latest, AT | 0x825, 1));
	/* A may be set: a reason until 6.14 only. */
	assert_true(spte_volatile(&old, AT | 0xe47, 1));
	assert_false(spte_volatile(&latest, AT | 0xe47, 1));
}

static void without_flags_ageing_decides_what_is_volatile(void **state)
{
	struct encoding latest = made(&format_ept, K_LATEST, false);
	struct encoding old = made(&format_ept, K_6_12, false);
	uint64_t young = AT | VE | 0x0610000000000877, aged = AT | VE | 0x0750000000000870;

	(void)state;
	assert_true(spte_volatile(&latest, young, 1));
	assert_false(spte_volatile(&old, young, 1));
	assert_true(spte_volatile(&latest, aged, 1));
	assert_true(spte_volatile(&old, aged, 1));
}

static void tables_and_empty_entries_are_never_volatile(void **state)
{
	struct encoding npt = made(&format_npt, K_6_12, true);

	(void)state;
	assert_false(spte_volatile(&npt, spte_make_table(&npt, tdp_pfn(FRAME)), 2));
	assert_false(spte_volatile(&npt, npt.nonpresent, 1));
	assert_false(spte_volatile(&npt, npt.frozen, 1));
	assert_false(spte_volatile(&npt, spte_make_mmio(&npt, tdp_gfn(1), 2), 1));
}

/* Writability */

static void of_eight_combinations_four_are_legal(void **state)
{
	struct encoding npt = made(&format_npt, K_LATEST, true);
	static const bool legal[8] = {
		[0] = true, /* read-only */
		[4] = true, /* host-writable: write-protected for good */
		[6] = true, /* and MMU-writable: to be given back */
		[7] = true, /* and W */
	};

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		uint64_t spte = (i & 4 ? npt.host_writable : 0) | (i & 2 ? npt.mmu_writable : 0) |
				(i & 1 ? npt.write : 0);

		assert_int_equal(spte_writability_legal(&npt, spte), legal[i]);
	}
}

/* MMIO */

static void mmio_entries_are_those_of_the_traces(void **state)
{
	struct encoding npt = made(&format_npt, K_6_12, true), ept;

	(void)state;
	assert_int_equal(spte_make_mmio(&npt, tdp_gfn(0x60000), 4),
			 0x0008000000000007 + 0x60000000 + (4 << 3));
	assert_int_equal(spte_make_mmio(&npt, tdp_gfn(0x60001), 8), 0x8000060001047);
	encoding_init(&ept, &(struct encoding_config){.format = &format_ept,
						      .hardware_ad = true,
						      .execute_only = true,
						      .suppress_ve = true,
						      .mmio_caching = true,
						      .l1tf_width = 40});
	assert_int_equal(spte_make_mmio(&ept, tdp_gfn(0x60000), 4),
			 0x000000f800000006 + 0x60000000 + (4 << 3));
}

static void check_mmio_round_trip(const struct encoding *e, uint64_t gfn, uint64_t generation)
{
	uint64_t spte = spte_make_mmio(e, tdp_gfn(gfn), generation);

	assert_int_equal(spte_mmio_gfn(e, spte).n, gfn);
	assert_int_equal(spte_mmio_generation(e, spte), generation & e->mmio_generation_mask);
	assert_true(spte_mmio(e, spte));
	assert_false(spte_present(e, spte));
	assert_false(spte_frozen(e, spte));
}

static void check_mmio_round_trips(const struct encoding *e, unsigned int width)
{
	for (unsigned int bit = 0; bit < width - 12; bit++)
		for (unsigned int g = 0; g < 20; g++)
			check_mmio_round_trip(e, BIT(bit), BIT(g) & e->mmio_generation_mask);
	check_mmio_round_trip(e, BIT(width - 12) - 1, e->mmio_generation_mask);
	check_mmio_round_trip(e, 0, 0);
}

static void mmio_entries_give_back_frame_and_generation(void **state)
{
	struct encoding npt = made(&format_npt, K_LATEST, true);
	struct encoding ept = made(&format_ept, K_LATEST, true);

	(void)state;
	check_mmio_round_trips(&npt, 51); /* bit 51 is the reserved one */
	check_mmio_round_trips(&ept, 52);
}

static void the_l1tf_guard_keeps_frames_whole_at_every_width(void **state)
{
	(void)state;
	for (unsigned int width = 36; width <= 52; width++) {
		struct encoding ept;
		uint64_t spte, top = 0x1fULL << (width - 5);

		encoding_init(&ept, &(struct encoding_config){.format = &format_ept,
							      .hardware_ad = true,
							      .mmio_caching = true,
							      .l1tf_width = width});
		check_mmio_round_trips(&ept, width);
		/* From 47 bits on there is no room above the guard: none is kept. */
		spte = spte_make_mmio(&ept, tdp_gfn(1), 0);
		assert_int_equal(spte & top, width < 47 ? top : 0);
	}
}

static void no_other_state_of_an_entry_looks_like_mmio(void **state)
{
	const struct format *formats[] = {&format_npt, &format_ept};

	(void)state;
	for (unsigned int i = 0; i < 2; i++)
		for (enum kernel kernel = K_6_1; kernel <= K_LATEST; kernel++) {
			struct encoding e = made(formats[i], kernel, true);
			struct leaf leaf = leaf_at(1, true);

			assert_false(spte_mmio(&e, e.nonpresent));
			assert_false(spte_mmio(&e, e.frozen));
			assert_false(spte_mmio(&e, spte_make_leaf(&e, &leaf)));
			assert_false(spte_mmio(&e, spte_make_table(&e, tdp_pfn(FRAME))));
			assert_false(spte_present(&e, e.nonpresent));
			assert_false(spte_present(&e, e.frozen));
			assert_false(spte_frozen(&e, e.nonpresent));
		}
}

/* A format of our own making: nothing is where EPT or NPT have it. */

static const struct format strange = {
	.id = (enum tdp_format)7,
	.name = "strange",
	.present = BIT(4),
	.read = BIT(4),
	.write = BIT(6),
	.exec = BIT(8),
	.user = BIT(1),
	.large = BIT(11),
	.accessed = BIT(2),
	.dirty = BIT(3),
	.memory_type = BIT(54),
	.memory_type_wb = BIT(54),
	.mmio_mask = BIT(0) | BIT(9),
	.mmio_value = BIT(0),
};

static const struct layout strange_layout = {
	.host_writable = BIT(55),
	.mmu_writable = BIT(56),
	.mmu_present = BIT(57),
	.exec = BIT(8),
	.ad_type_shift = 52,
	.frozen = 0x5a0,
	.mmio_low_bits = 8,
};

static struct encoding made_strange(void)
{
	struct encoding encoding;

	encoding_init(&encoding, &(struct encoding_config){.format = &strange,
							   .layout = &strange_layout,
							   .hardware_ad = true,
							   .mmio_caching = true});
	return encoding;
}

static void a_strange_format_gets_its_own_bits_and_no_others(void **state)
{
	struct encoding e = made_strange();
	struct leaf leaf = leaf_at(1, true);
	uint64_t base = AT | BIT(4) | BIT(8) | BIT(1) | BIT(2) | BIT(54) | BIT(57);
	uint64_t writable = BIT(55) | BIT(56) | BIT(6);

	(void)state;
	assert_int_equal(spte_make_leaf(&e, &leaf), base | writable | BIT(3));
	leaf.level = 2;
	assert_int_equal(spte_make_leaf(&e, &leaf), base | writable | BIT(3) | BIT(11));
	leaf.no_exec = true;
	assert_int_equal(spte_make_leaf(&e, &leaf), (base | writable | BIT(3) | BIT(11)) & ~BIT(8));
	leaf = leaf_at(1, false);
	assert_int_equal(spte_make_leaf(&e, &leaf), base);
	assert_int_equal(spte_make_table(&e, tdp_pfn(FRAME)), (base | BIT(6)) & ~BIT(54));
}

static void a_strange_format_is_read_by_its_own_bits(void **state)
{
	struct encoding e = made_strange();
	struct leaf leaf = leaf_at(2, true);
	uint64_t huge = spte_make_leaf(&e, &leaf), small, table;

	(void)state;
	small = spte_small_from_huge(&e, huge, 2, 1, false);
	table = spte_make_table(&e, tdp_pfn(FRAME));
	assert_int_equal(small, (huge + 0x1000) & ~BIT(11));
	assert_true(spte_leaf(&e, huge, 2));
	assert_true(spte_leaf(&e, small, 1));
	assert_true(spte_table(&e, table, 2));
	assert_false(spte_leaf(&e, table, 2));
	assert_true(spte_allows(&e, huge, TDP_READ));
	assert_true(spte_allows(&e, huge, TDP_WRITE));
	assert_true(spte_allows(&e, huge, TDP_FETCH));
	assert_false(spte_allows(&e, huge & ~BIT(6), TDP_WRITE));
	assert_false(spte_allows(&e, huge & ~BIT(8), TDP_FETCH));
	assert_false(spte_allows(&e, huge & ~BIT(4), TDP_READ));
	assert_int_equal(spte_to_tracked(&e, huge), huge & ~BIT(2));
	assert_true(spte_volatile(&e, huge & ~BIT(3), 2));
	assert_true(spte_volatile(&e, huge & ~BIT(6), 2));
	assert_false(spte_volatile(&e, huge, 2));
	assert_true(spte_writability_legal(&e, huge));
	assert_false(spte_writability_legal(&e, huge & ~BIT(56)));
}

static void a_strange_format_has_mmio_entries_of_its_own(void **state)
{
	struct encoding e = made_strange();
	uint64_t spte = spte_make_mmio(&e, tdp_gfn(0x123), 0);

	(void)state;
	assert_int_equal(spte, 0x123001);
	assert_true(spte_mmio(&e, spte));
	assert_false(spte_mmio(&e, spte | BIT(9)));
	assert_int_equal(spte_mmio_gfn(&e, spte).n, 0x123);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_have_the_kernels_bits),
		cmocka_unit_test(tables_have_the_kernels_bits),
		cmocka_unit_test(empty_and_frozen_entries_got_bit_63_in_6_10),
		cmocka_unit_test(until_6_12_a_leaf_over_a_writable_one_began_clean),
		cmocka_unit_test(a_writable_table_entry_is_no_writable_leaf),
		cmocka_unit_test(since_6_13_each_writable_leaf_begins_dirty),
		cmocka_unit_test(device_memory_is_mapped_uncached_by_ept),
		cmocka_unit_test(without_execute_only_pages_a_present_entry_always_has_r),
		cmocka_unit_test(children_of_a_2m_leaf_are_4k_leaves_with_its_bits),
		cmocka_unit_test(children_of_a_1g_leaf_stay_large),
		cmocka_unit_test(children_of_4k_of_an_nx_leaf_may_be_executed),
		cmocka_unit_test(an_old_leaf_gains_and_loses_x_among_its_saved_rights),
		cmocka_unit_test(old_pages_lose_their_rights_where_the_cpu_keeps_no_flags),
		cmocka_unit_test(with_software_flags_a_goes_with_the_rights),
		cmocka_unit_test(with_flags_an_old_page_only_loses_a),
		cmocka_unit_test(what_others_may_change_without_the_lock_is_volatile),
		cmocka_unit_test(without_flags_ageing_decides_what_is_volatile),
		cmocka_unit_test(tables_and_empty_entries_are_never_volatile),
		cmocka_unit_test(of_eight_combinations_four_are_legal),
		cmocka_unit_test(mmio_entries_are_those_of_the_traces),
		cmocka_unit_test(mmio_entries_give_back_frame_and_generation),
		cmocka_unit_test(the_l1tf_guard_keeps_frames_whole_at_every_width),
		cmocka_unit_test(no_other_state_of_an_entry_looks_like_mmio),
		cmocka_unit_test(a_strange_format_gets_its_own_bits_and_no_others),
		cmocka_unit_test(a_strange_format_is_read_by_its_own_bits),
		cmocka_unit_test(a_strange_format_has_mmio_entries_of_its_own),
	};

	return cmocka_run_group_tests_name("paging/spte", tests, NULL, NULL);
}
