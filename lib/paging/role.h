/*
 * The role of a page table: what the table must look like. Inside the library a role has one fixed
 * layout; role_word() makes the kernel's word of it, which tracepoints print and which has another
 * layout since 7.2 (arch/x86/include/asm/kvm_host.h, union kvm_mmu_page_role, 5.13, 6.12, 7.3).
 */
#ifndef TDPSIM_PAGING_ROLE_H
#define TDPSIM_PAGING_ROLE_H

#include <tdpsim/policy.h>

#include <stdbool.h>
#include <stdint.h>

/* As in the kernel's word until 7.1. */
#define ROLE_LEVEL_MASK	 0xfu
#define ROLE_DIRECT	 (1u << 7)
#define ROLE_ACCESS_ALL	 (7u << 8)
#define ROLE_INVALID	 (1u << 11)
#define ROLE_EFER_NX	 (1u << 12)
#define ROLE_CR0_WP	 (1u << 13)
#define ROLE_AD_DISABLED (1u << 16)
#define ROLE_GUEST_MODE	 (1u << 17)
#define ROLE_SMM_SHIFT	 24

/* Of 7.2 alone. */
#define ROLE_CR4_SMEP (1u << 20) /* MBEC or GMET is in use */
#define ROLE_NO_USER  (1u << 21) /* GMET: leaves have no U */

static inline unsigned int role_level(uint32_t role)
{
	return role & ROLE_LEVEL_MASK;
}

static inline unsigned int role_address_space(uint32_t role)
{
	return role >> ROLE_SMM_SHIFT;
}

/* The access of a leaf in a table of the role, in the four bits of 7.2: R 1, W 2, U 4, X 8. */
static inline uint32_t role_access(uint32_t role)
{
	return role & ROLE_NO_USER ? 11 : 15;
}

/* What a direct root's role follows from. */
struct root_role {
	unsigned int level;
	unsigned int address_space;
	bool ad_disabled;
	bool guest_mode;
	/* Constants since 5.19 (kvm_calc_tdp_mmu_root_page_role()); the guest's before. */
	bool efer_nx, cr0_wp;
	bool mbec, gmet; /* in use, since 7.2 */
};

static inline uint32_t role_of_root(const struct root_role *root)
{
	return root->level | ROLE_DIRECT | ROLE_ACCESS_ALL | (root->efer_nx ? ROLE_EFER_NX : 0) |
	       (root->cr0_wp ? ROLE_CR0_WP : 0) | (root->ad_disabled ? ROLE_AD_DISABLED : 0) |
	       (root->guest_mode ? ROLE_GUEST_MODE : 0) |
	       (root->mbec || root->gmet ? ROLE_CR4_SMEP : 0) | (root->gmet ? ROLE_NO_USER : 0) |
	       root->address_space << ROLE_SMM_SHIFT;
}

/* A child differs from its parent in the level alone. */
static inline uint32_t role_of_child(uint32_t parent)
{
	return parent - 1;
}

/* The kernel's word. In 7.2 access has four bits, so invalid, efer_nx and cr0_wp move up by one. */
static inline uint32_t role_word(uint32_t role, enum tdp_entry_layout layout)
{
	const uint32_t moved = ROLE_INVALID | ROLE_EFER_NX | ROLE_CR0_WP;

	if (layout != TDP_ENTRY_LAYOUT_7_2)
		return role;
	return (role & ~(moved | ROLE_ACCESS_ALL | ROLE_NO_USER)) | role_access(role) << 8 |
	       (role & moved) << 1;
}

#endif
