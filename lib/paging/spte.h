/*
 * SPTEs: what the MMU writes into an entry and how it reads it back
 *
 * An encoding is a VM's digest of its entry format, its CPU's features and its
 * baseline; it is immutable after VM creation, so these are pure functions.
 * "Present" always means MMU-present (software bit 11), never the hardware bits.
 *
 * The five states of an entry: non-present, frozen, MMIO, leaf, table.
 *
 * Rules: Linux arch/x86/kvm/mmu/spte.h and spte.c, 6.1 to 7.3.
 */
#ifndef TDPSIM_PAGING_SPTE_H
#define TDPSIM_PAGING_SPTE_H

#include "paging/format.h"
#include "paging/layout.h"

enum ad_type {
	AD_ENABLED = 0,
	AD_DISABLED = 1,
	AD_WRPROT_ONLY = 2, /* kept, but writes are found by protection: see struct leaf */
};

struct encoding {
	const struct format *format;
	const struct layout *layout;
	uint64_t present; /* set in every present entry, beside mmu_present */
	uint64_t user;	  /* set in every leaf: R of EPT, U of NPT, nothing under GMET */
	uint64_t exec, no_exec, write;
	uint64_t accessed, dirty; /* 0 where the baseline keeps none without hardware flags */
	uint64_t access_track;	  /* cleared to make an entry inaccessible; 0: no such form */
	uint64_t table_mask;	  /* mmu_present, and the bits that make an entry a leaf */
	uint64_t table_bits;	  /* all of a table entry but the frame */
	uint64_t ram_type, device_type;
	uint64_t host_writable, mmu_writable, mmu_present;
	uint64_t nonpresent, frozen;
	uint64_t frozen_loses; /* the bit of a frozen entry that ageing may take away */
	uint64_t mmio_mask, mmio_value;
	uint64_t mmio_access;	       /* set in each MMIO entry, and shown as its rights */
	uint64_t mmio_generation_mask; /* the bits of a memslot generation that an entry keeps */
	uint64_t l1tf_guard; /* frame bits that an MMIO entry must keep set; 0: not affected */
	uint64_t ad_type_mask,
		ad_type_disabled;    /* the field, and its value AD_DISABLED, in place */
	uint64_t ad_type;	     /* of every entry, in place */
	uint64_t ad_type_guest_mode; /* of leaves in trees of an L2 guest */
	bool hardware_ad;	     /* the CPU keeps accessed and dirty flags */
	bool dirty_at_birth;	     /* 6.13: writable leaves always begin dirty */
	bool mmio_caching;
	bool lockless_age; /* 6.15: a missing accessed flag needs no atomic write */
};

struct encoding_config {
	const struct format *format;
	const struct layout *layout; /* NULL: that of the format until 7.1 */
	bool gmet; /* guest-mode execute trap in use: NPT leaves have no U (7.2) */
	bool hardware_ad, execute_only, suppress_ve, software_ad, dirty_at_birth, mmio_caching;
	bool lockless_age;
	bool cpu_logs_writes;	 /* D flags are logged (PML) */
	unsigned int l1tf_width; /* physical-address width of a CPU with L1TF; 0: none */
};

void encoding_init(struct encoding *encoding, const struct encoding_config *config);

static inline bool spte_present(const struct encoding *e, uint64_t spte)
{
	return spte & e->mmu_present;
}

static inline bool spte_leaf(const struct encoding *e, uint64_t spte, unsigned int level)
{
	return spte_present(e, spte) && (level == 1 || (spte & e->format->large));
}

static inline bool spte_table(const struct encoding *e, uint64_t spte, unsigned int level)
{
	return spte_present(e, spte) && level > 1 && !(spte & e->format->large);
}

/* The same where the level is known to be above 1. */
static inline bool spte_table_above_4k(const struct encoding *e, uint64_t spte)
{
	return (spte & e->table_mask) == e->mmu_present;
}

/* An entry frozen after lockless ageing read it may lose one bit (mmu/age.h); it still counts as
 * frozen. */
static inline bool spte_frozen(const struct encoding *e, uint64_t spte)
{
	return (spte | e->frozen_loses) == e->frozen;
}

static inline bool spte_mmio(const struct encoding *e, uint64_t spte)
{
	return e->mmio_caching && (spte & e->mmio_mask) == e->mmio_value && spte != e->frozen;
}

static inline tdp_pfn_t spte_pfn(uint64_t spte)
{
	return tdp_pfn((spte & ENTRY_ADDRESS) >> TDP_PAGE_SHIFT);
}

static inline bool spte_writable(const struct encoding *e, uint64_t spte)
{
	return spte & e->write;
}

static inline bool spte_executable(const struct encoding *e, uint64_t spte)
{
	return (spte & (e->exec | e->no_exec)) == e->exec;
}

static inline bool spte_mmu_writable(const struct encoding *e, uint64_t spte)
{
	return spte & e->mmu_writable;
}

static inline bool spte_host_writable(const struct encoding *e, uint64_t spte)
{
	return spte & e->host_writable;
}

static inline bool spte_ad_enabled(const struct encoding *e, uint64_t spte)
{
	return (spte & e->ad_type_mask) != e->ad_type_disabled;
}

/* Must writes through the entry be found by protection, although the CPU keeps D? */
static inline bool spte_needs_wrprot(const struct encoding *e, uint64_t spte)
{
	return spte & e->ad_type_mask;
}

/* Without A/D flags an old page has no rights at all; the next touch faults. */
static inline bool spte_access_tracked(const struct encoding *e, uint64_t spte)
{
	return !spte_ad_enabled(e, spte) && !(spte & e->access_track);
}

/* Is a leaf young? Without flags and masks for them, unless its rights were taken away. */
static inline bool spte_accessed(const struct encoding *e, uint64_t spte)
{
	return e->accessed ? spte & e->accessed : !spte_access_tracked(e, spte);
}

/* Does a present entry allow the access? Non-leaf entries allow everything. */
static inline bool spte_allows(const struct encoding *e, uint64_t spte, enum tdp_access access)
{
	switch (access) {
	case TDP_FETCH:
		return spte_executable(e, spte);
	case TDP_WRITE:
		return spte_writable(e, spte);
	default:
		return spte & e->format->read;
	}
}

/* W implies MMU-writable implies host-writable (check_spte_writable_invariants()). */
static inline bool spte_writability_legal(const struct encoding *e, uint64_t spte)
{
	if (spte_mmu_writable(e, spte))
		return spte_host_writable(e, spte);
	return !spte_writable(e, spte);
}

/*
 * May an actor without mmu_lock, or the hardware, change this entry? Then even the exclusive holder
 * must write it with an exchange, or a bit would be lost.
 */
bool spte_volatile(const struct encoding *e, uint64_t spte, unsigned int level);

/* What a leaf is made from. */
struct leaf {
	unsigned int level;
	tdp_pfn_t pfn;
	bool writable; /* host and slot allow writes */
	bool device;
	bool prefetch; /* born not accessed */
	bool no_exec;
	bool guest_mode; /* of an L2 guest: the CPU would log L2's addresses, so it logs none */
	uint64_t old;	 /* the entry that it replaces */
};

uint64_t spte_make_leaf(const struct encoding *e, const struct leaf *leaf);

static inline uint64_t spte_make_table(const struct encoding *e, tdp_pfn_t table)
{
	return e->table_bits | table.n << TDP_PAGE_SHIFT;
}

/*
 * Child `index` of a huge leaf at `level`, one level below it. Under NX huge pages
 * (`nx`) a child of 4K may be executed, whatever the huge leaf allowed.
 */
uint64_t spte_small_from_huge(const struct encoding *e, uint64_t huge, unsigned int level,
			      unsigned int index, bool nx);

/* Sets or clears the right of a leaf to be executed; of an access-tracked leaf, its saved right. */
uint64_t spte_make_executable(const struct encoding *e, uint64_t spte);
uint64_t spte_make_nonexecutable(const struct encoding *e, uint64_t spte);

/*
 * The huge leaf at `level` over the place of `small`, a leaf anywhere below it; with the rights and
 * flags of that leaf, but under NX huge pages not executable.
 */
uint64_t spte_huge_from_small(const struct encoding *e, uint64_t small, unsigned int level,
			      bool nx);

/* Takes the accessed state away, with or without A/D flags. */
uint64_t spte_to_tracked(const struct encoding *e, uint64_t spte);
/* Gives an access-tracked entry its saved rights back; W is not among them. */
uint64_t spte_restore(const struct encoding *e, uint64_t spte);

/* MMIO entries always fault, and hold the memslot generation and the frame. */
uint64_t spte_make_mmio(const struct encoding *e, tdp_gfn_t gfn, uint64_t generation);
uint64_t spte_mmio_generation(const struct encoding *e, uint64_t spte);
tdp_gfn_t spte_mmio_gfn(const struct encoding *e, uint64_t spte);

#endif
