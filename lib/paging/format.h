/*
 * Entry formats are data: a constant table of masks for each of EPT and NPT.
 * The hot path reads masks and never calls through a pointer. The bits that the hardware ignores
 * and the MMU keeps for itself are in layout.h.
 *
 * Hardware: SDM vol. 3, 29.3.2, tables 29-1 to 29-7; APM vol. 2, 5.3 and 15.25.
 */
#ifndef TDPSIM_PAGING_FORMAT_H
#define TDPSIM_PAGING_FORMAT_H

#include <tdpsim/types.h>

#define ENTRY_ADDRESS 0x000ffffffffff000ULL

struct format {
	enum tdp_format id;
	const char *name;

	/* What the hardware reads. 0: the format has no such bit. */
	uint64_t present; /* any of these set: present (without MBEC) */
	uint64_t read;
	uint64_t write;
	uint64_t exec;	    /* set: may be fetched */
	uint64_t exec_user; /* EPT under MBEC */
	uint64_t no_exec;   /* set: may not be fetched */
	uint64_t user;
	uint64_t large; /* levels 2 and 3: leaf */
	uint64_t accessed;
	uint64_t dirty;
	uint64_t memory_type;	 /* EPT leaf, bits 5:3 */
	uint64_t memory_type_wb; /* its value for write-back */
	uint64_t ignore_pat;
	uint64_t suppress_ve; /* EPT 63 */
	uint64_t large_pat;   /* the low frame bit that a large leaf may have set */

	/* An MMIO entry: value under mask; see spte.h for the generation and the frame. */
	uint64_t mmio_mask;
	uint64_t mmio_value;
	uint64_t mmio_access; /* set in each, and shown as its rights; U only without GMET */
};

extern const struct format format_ept;
extern const struct format format_npt;

static inline unsigned int entry_index(uint64_t frame, unsigned int level)
{
	return (unsigned int)(frame >> (9 * (level - 1))) & 511;
}

#endif
