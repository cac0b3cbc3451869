/*
 * The EPT entry format (SDM vol. 3, 29.3.2, tables 29-1 to 29-7).
 */
#include "paging/format.h"

#define BIT(n) (1ULL << (n))

const struct format format_ept = {
	.id = TDP_EPT,
	.name = "ept",

	.present = BIT(0) | BIT(1) | BIT(2),
	.read = BIT(0),
	.write = BIT(1),
	.exec = BIT(2),
	.exec_user = BIT(10),
	.large = BIT(7),
	.accessed = BIT(8),
	.dirty = BIT(9),
	.memory_type = BIT(3) | BIT(4) | BIT(5),
	.memory_type_wb = 6ULL << 3,
	.ignore_pat = BIT(6),
	.suppress_ve = BIT(63),

	/* Writable and executable but not readable: a misconfiguration at any MAXPHYADDR. */
	.mmio_mask = BIT(63) | BIT(2) | BIT(1) | BIT(0),
	.mmio_value = BIT(2) | BIT(1),
};
