/*
 * The checker: tdp_vm_check() by parts
 *
 * The checker compares every room with the others, so it lives in the highest. It stops
 * all vCPUs and tasks at the gate (mmu/gate.h), holds slots_lock, vcpus_lock and mmu_lock
 * (exclusively), and changes no entry. No step of a change is half done then, so every
 * difference that it finds is a violation. docs/model.md, "Invariants", lists what each
 * part compares.
 */
#ifndef TDPSIM_CHECK_CHECKER_H
#define TDPSIM_CHECK_CHECKER_H

#include "vm/vm.h"

struct checker {
	struct tdp_vm *vm;
	struct mmu *mmu;
	const struct encoding *encoding;
	tdp_violation_sink sink;
	void *context;
	uint64_t violations;
	/* The recount. */
	int64_t leaves[TDP_LEAF_LEVEL_MAX + 1]; /* by level, over all roots */
	int64_t tables;				/* linked; roots not counted */
	uint64_t mmio_entries;
	uint64_t nx_listed; /* tables on the list of possible NX huge pages that trees link */
};

/* One entry of one tree, as the walk over all trees visits it. */
struct met_entry {
	const struct table *root;
	const struct walker *walker; /* for trees as deep as this one */
	const struct table *table;   /* holds the entry */
	unsigned int address_space;
	unsigned int level;
	tdp_gfn_t gfn; /* first frame that the entry spans */
	uint64_t entry;
};

/* Counts a violation and passes it to the sink; takes a format and arguments as printf does. */
__attribute__((format(printf, 3, 4))) void violation(struct checker *checker,
						     enum tdp_invariant invariant,
						     const char *format, ...);

/* Reports a violation at one entry: "gfn ..., level ..., entry ...: ", then the reason. */
void violation_at(struct checker *checker, enum tdp_invariant invariant,
		  const struct met_entry *spot, const char *reason);

void check_roots(struct checker *checker);				/* root.c */
void check_tree(struct checker *checker, const struct table *root);	/* tree.c */
void check_leaf(struct checker *checker, const struct met_entry *spot); /* leaf.c */
void check_hole(struct checker *checker, const struct met_entry *spot); /* leaf.c: MMIO */
void check_tlb(struct checker *checker, const struct tdp_vcpu *vcpu);	/* tlb.c */
void check_counts(struct checker *checker);				/* count.c */
void check_nx(struct checker *checker);					/* nx.c */
void check_nx_table(struct checker *checker, const struct met_entry *link,
		    const struct table *table); /* nx.c */
void check_logs(struct checker *checker);	/* log.c */
void check_logged(struct checker *checker, const struct met_entry *spot,
		  const struct memslot *slot);				      /* log.c */
void check_executable(struct checker *checker, const struct met_entry *spot); /* nx.c */

#endif
