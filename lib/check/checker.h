/*
 * The checker: tdp_vm_check() by parts
 *
 * It sees every room, so it lives in the highest. While it looks the world stands
 * still (mmu/gate.h), it holds slots_lock, vcpus_lock and mmu_lock exclusively, and
 * it changes nothing. So what it reads is what the last writers left, and an
 * unfinished step is no excuse. docs/model.md, "Invariants", says what each part
 * holds against what.
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

/* One entry of one tree, as the walk over all trees meets it. */
struct met_entry {
	const struct table *root;
	const struct walker *walker; /* for trees as deep as this one */
	const struct table *table;   /* that the entry lies in */
	unsigned int address_space;
	unsigned int level;
	tdp_gfn_t gfn; /* first frame that the entry spans */
	uint64_t entry;
};

/* Counts a violation and tells the sink, printf-like. */
__attribute__((format(printf, 3, 4))) void violation(struct checker *checker,
						     enum tdp_invariant invariant,
						     const char *format, ...);

/* The same with the entry named: "gfn ..., level ..., entry ...: " and the reason. */
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
