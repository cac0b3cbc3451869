/*
 * The role word of a page table: what the table must look like. One 32-bit word
 * in Linux's bit layout (arch/x86/include/asm/kvm_host.h, union
 * kvm_mmu_page_role, 6.12), because tracepoints print it.
 */
#ifndef TDPSIM_PAGING_ROLE_H
#define TDPSIM_PAGING_ROLE_H

#include <stdbool.h>
#include <stdint.h>

#define ROLE_LEVEL_MASK	 0xfu
#define ROLE_DIRECT	 (1u << 7)
#define ROLE_ACCESS_ALL	 (7u << 8)
#define ROLE_INVALID	 (1u << 11)
#define ROLE_EFER_NX	 (1u << 12)
#define ROLE_CR0_WP	 (1u << 13)
#define ROLE_AD_DISABLED (1u << 16)
#define ROLE_GUEST_MODE	 (1u << 17)
#define ROLE_SMM_SHIFT	 24

static inline unsigned int role_level(uint32_t role)
{
	return role & ROLE_LEVEL_MASK;
}

static inline unsigned int role_address_space(uint32_t role)
{
	return role >> ROLE_SMM_SHIFT;
}

/*
 * A direct root's role. NX and WP are constants: with two-dimensional paging
 * the guest's own bits do not reach the second level (kvm_calc_tdp_mmu_root_page_role(), 5.19).
 */
static inline uint32_t role_of_root(unsigned int level, bool ad_disabled, bool guest_mode,
				    unsigned int address_space)
{
	return (guest_mode ? ROLE_GUEST_MODE : 0) | level | ROLE_DIRECT | ROLE_ACCESS_ALL |
	       ROLE_EFER_NX | ROLE_CR0_WP | (ad_disabled ? ROLE_AD_DISABLED : 0) |
	       address_space << ROLE_SMM_SHIFT;
}

/* A child differs from its parent in the level alone. */
static inline uint32_t role_of_child(uint32_t parent)
{
	return parent - 1;
}

#endif
