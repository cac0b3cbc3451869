/* The layouts of both formats and eras. See layout.h. */
#include "paging/layout.h"

#define BIT(n) (1ULL << (n))

static const struct layout ept_5_13 = {
	.host_writable = BIT(57),
	.mmu_writable = BIT(58),
	.mmu_present = BIT(11),
	.exec = BIT(2),
	.access_track = BIT(0) | BIT(1) | BIT(2),
	.ad_type_shift = 52,
	.saved_shift = 54,
	.frozen = 0x5a0,
	.mmio_low_bits = 8,
	.user_shown = BIT(0),
	.mmio_access_shown = 7,
};

/* X and XU are set together, also on a CPU without MBEC, which ignores XU. */
static const struct layout ept_7_2 = {
	.host_writable = BIT(53),
	.mmu_writable = BIT(55),
	.mmu_present = BIT(11),
	.exec = BIT(2) | BIT(10),
	.access_track = BIT(0) | BIT(1) | BIT(2) | BIT(10),
	.ad_type_shift = 60,
	.saved_shift = 52,
	.frozen = 0x1a0,
	.mmio_low_bits = 7,
	.read_by_access = true,
	.user_shown = BIT(10),
	.mmio_access_shown = 15,
};

static const struct layout npt_5_13 = {
	.host_writable = BIT(9),
	.mmu_writable = BIT(10),
	.mmu_present = BIT(11),
	.ad_type_shift = 52,
	.frozen = 0x5a0,
	.mmio_low_bits = 8,
	.user_shown = BIT(2),
	.mmio_access_shown = 7,
};

static const struct layout npt_7_2 = {
	.host_writable = BIT(9),
	.mmu_writable = BIT(10),
	.mmu_present = BIT(11),
	.ad_type_shift = 52,
	.frozen = 0x1a0,
	.mmio_low_bits = 7,
	.user_shown = BIT(2),
	.mmio_access_shown = 15,
};

const struct layout *layout_of(enum tdp_entry_layout layout, enum tdp_format format)
{
	if (layout == TDP_ENTRY_LAYOUT_7_2)
		return format == TDP_EPT ? &ept_7_2 : &npt_7_2;
	return format == TDP_EPT ? &ept_5_13 : &npt_5_13;
}
