/*
 * The NPT entry format, that of long-mode paging (APM vol. 2, 5.3 and 15.25).
 */
#include "paging/format.h"

#define BIT(n) (1ULL << (n))

const struct format format_npt = {
	.id = TDP_NPT,
	.name = "npt",

	.present = BIT(0),
	.read = BIT(0), /* implied by P */
	.write = BIT(1),
	.no_exec = BIT(63),
	.user = BIT(2),
	.large = BIT(7),
	.accessed = BIT(5),
	.dirty = BIT(6),
	.large_pat = BIT(12),

	/* A reserved bit, unless the host's MAXPHYADDR is 52. */
	.mmio_mask = BIT(51) | BIT(0),
	.mmio_value = BIT(51) | BIT(0),
	.mmio_access = BIT(1) | BIT(2),
};
