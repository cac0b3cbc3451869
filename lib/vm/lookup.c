/*
 * Lookups under a vCPU's root, one by one or many in one section: the public face of
 * mmu/lookup.h. The vCPU's own reference keeps the root, the section the tables
 * below it.
 *
 * Within a section a frame's neighbour is first looked for in the table where the
 * last lookup ended. A leaf there counts: that table was reached during the call, so
 * this is what the slot held at some moment of it, even if the table has been
 * unlinked since. Anything else may be what a table looks like when it has been
 * taken apart, and the way down is gone anew from the root.
 */
#include <errno.h>

#include "mmu/gate.h"
#include "mmu/lookup.h"
#include "vm/vm.h"

/* The table in which the last lookup ended; of this section alone. */
struct last_table {
	atomic_u64 *entries;
	unsigned int level; /* of its entries; 0: there was no lookup */
	tdp_gfn_t first;    /* frame of entry 0 */
};

static struct tdp_entry snapshot(const struct encoding *e, tdp_gfn_t gfn, uint64_t value,
				 unsigned int level)
{
	bool present = spte_present(e, value);

	return (struct tdp_entry){
		.gfn = tdp_gfn_round(gfn, level),
		.level = level,
		.value = value,
		.present = present,
		.leaf = spte_leaf(e, value, level),
		.pfn = present ? spte_pfn(value) : tdp_pfn(0),
	};
}

/* Is there a leaf for `gfn` in the last table? */
static bool look_beside(const struct mmu *mmu, const struct last_table *last, tdp_gfn_t gfn,
			struct tdp_entry *entry)
{
	uint64_t value;

	if (!last->level || tdp_gfn_round(gfn, last->level + 1).n != last->first.n)
		return false;
	value = u64_load_acquire(last->entries + entry_index(gfn.n, last->level));
	table_meet(mmu->host, value);
	if (!spte_leaf(&mmu->encoding, value, last->level))
		return false;
	*entry = snapshot(&mmu->encoding, gfn, value, last->level);
	return true;
}

static void look_down(const struct mmu_context *context, struct last_table *last, tdp_gfn_t gfn,
		      struct tdp_entry *entry)
{
	const struct mmu *mmu = context->actor.mmu;
	struct lookup found;

	if (gfn.n >= table_reach(role_level(context->root_role))) {
		*entry = (struct tdp_entry){.gfn = gfn, .level = TDP_NOT_MAPPED};
		return;
	}
	found = lookup_last(mmu, context->root, gfn);
	*last = (struct last_table){
		.entries = found.slot - entry_index(gfn.n, found.level),
		.level = found.level,
		.first = tdp_gfn_round(gfn, found.level + 1),
	};
	*entry = snapshot(&mmu->encoding, gfn, found.entry, found.level);
}

int tdp_vcpu_lookup_many(struct tdp_vcpu *vcpu, const tdp_gfn_t *gfns, size_t count,
			 struct tdp_entry *entries)
{
	struct mmu_context *context = &vcpu->context;
	struct last_table last = {0};

	if (!context->root)
		return -ENOENT;
	gate_enter(&context->actor);
	mmu_read_begin(&context->actor);
	for (size_t i = 0; i < count; i++)
		if (!look_beside(context->actor.mmu, &last, gfns[i], &entries[i]))
			look_down(context, &last, gfns[i], &entries[i]);
	mmu_read_end(&context->actor);
	gate_leave(&context->actor);
	return 0;
}

int tdp_vcpu_lookup(struct tdp_vcpu *vcpu, tdp_gfn_t gfn, struct tdp_entry *entry)
{
	return tdp_vcpu_lookup_many(vcpu, &gfn, 1, entry);
}
