/*
 * Entry layouts: the bits of an entry that the MMU keeps for itself, where the hardware ignores
 * them. A layout is a constant struct of masks for each format and era of the kernel; an encoding
 * (spte.h) takes its masks from one, so no code asks for the era.
 *
 * Rules: Linux arch/x86/kvm/mmu/spte.h, 5.13 to 7.1, and 7.3. With mode-based execute control
 * (MBEC) bit 10 of an EPT entry makes it present, so since 7.2 nothing that must be non-present to
 * the CPU carries it: neither the frozen value nor an MMIO generation.
 */
#ifndef TDPSIM_PAGING_LAYOUT_H
#define TDPSIM_PAGING_LAYOUT_H

#include <tdpsim/policy.h>

struct layout {
	uint64_t host_writable;
	uint64_t mmu_writable;
	uint64_t mmu_present;
	uint64_t exec;	       /* all set: may be fetched; 0: the format has no such bit */
	uint64_t access_track; /* cleared to make an entry inaccessible on a CPU without A flags */
	unsigned int ad_type_shift; /* two bits, enum ad_type */
	unsigned int saved_shift;   /* of the rights of an access-tracked entry */
	uint64_t frozen;	    /* beside the non-present value */
	unsigned int mmio_low_bits; /* of a generation, from bit 3 on; 11 more from bit 52 on */
	bool read_by_access;	    /* R is a right of the leaf, never a part of the present mask */
	uint64_t user_shown;	    /* the bit that set_spte prints as u; 0: it prints nothing */
	uint64_t mmio_access_shown; /* the bits that mark_mmio_spte prints as access */
};

const struct layout *layout_of(enum tdp_entry_layout layout, enum tdp_format format);

#endif
