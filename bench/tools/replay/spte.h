/*
 * What the bits of a recorded SPTE mean (Linux spte.h). Written from the kernel's sources
 * and not shared with the library, whose entries they judge.
 */
#ifndef REPLAY_SPTE_H
#define REPLAY_SPTE_H

#include <stdbool.h>
#include <stdint.h>

/* The same in both formats and in all kernels since 5.13. */
#define SPTE_WRITE   ((uint64_t)1 << 1)
#define SPTE_LARGE   ((uint64_t)1 << 7)
#define SPTE_PRESENT ((uint64_t)1 << 11)
#define SPTE_FRAME   ((uint64_t)0x000ffffffffff000)

/* The bits of one format as one kernel lays it out. */
struct spte_bits {
	uint64_t accessed, dirty; /* set by the CPU */
	uint64_t host_writable;	  /* the host maps the page writable */
	uint64_t mmu_writable;	  /* the fast path may give W back */
	uint64_t frozen;	  /* the value of an entry that is being removed, but for bit 63 */
	bool removed_table_first; /* lines of a removed table precede that of its parent entry */
};

const struct spte_bits *spte_bits(bool ept, bool since_7_2);

bool spte_is_present(uint64_t spte);
bool spte_is_leaf(uint64_t spte, unsigned int level);
/* Present, and no leaf. */
bool spte_is_table(uint64_t spte, unsigned int level);
uint64_t spte_pfn(uint64_t spte);
/* Is it the value of an entry that is being removed? */
bool spte_is_frozen(const struct spte_bits *bits, uint64_t spte);
/* Maps nothing: not present, or frozen, which is not present in the end. */
bool spte_is_empty(const struct spte_bits *bits, uint64_t spte);

#endif
