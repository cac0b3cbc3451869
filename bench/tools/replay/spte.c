#include "spte.h"

#define BIT(n)	    ((uint64_t)1 << (n))
#define SUPPRESS_VE BIT(63)

const struct spte_bits *spte_bits(bool ept, bool since_7_2)
{
	/* [ept][since 7.2] */
	static const struct spte_bits bits[2][2] = {
		{
			{BIT(5), BIT(6), BIT(9), BIT(10), 0x5a0, false},
			{BIT(5), BIT(6), BIT(9), BIT(10), 0x1a0, true},
		},
		{
			{BIT(8), BIT(9), BIT(57), BIT(58), 0x5a0, false},
			{BIT(8), BIT(9), BIT(53), BIT(55), 0x1a0, true},
		},
	};

	return &bits[ept][since_7_2];
}

bool spte_is_present(uint64_t spte)
{
	return spte & SPTE_PRESENT;
}

bool spte_is_leaf(uint64_t spte, unsigned int level)
{
	return spte_is_present(spte) && (level == 1 || (spte & SPTE_LARGE));
}

bool spte_is_table(uint64_t spte, unsigned int level)
{
	return spte_is_present(spte) && !spte_is_leaf(spte, level);
}

uint64_t spte_pfn(uint64_t spte)
{
	return (spte & SPTE_FRAME) >> 12;
}

bool spte_is_frozen(const struct spte_bits *bits, uint64_t spte)
{
	return (spte & ~SUPPRESS_VE) == bits->frozen;
}

bool spte_is_empty(const struct spte_bits *bits, uint64_t spte)
{
	return (spte & ~SUPPRESS_VE) == 0 || spte_is_frozen(bits, spte);
}
