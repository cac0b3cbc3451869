/*
 * The checker's walk over one tree: every entry is in one of its five states and at a
 * level where it may be; every table is alive and linked where its record says. leaf.c
 * checks what a leaf maps.
 */
#include "check/checker.h"
#include "host/frame.h"

static void check_table(struct checker *checker, const struct met_entry *link,
			const struct table *table);

/*
 * Except for the frame, the bits of all table entries are the same: the hardware sets no
 * flag there. But ageing without mmu_lock may clear A in an entry that was a leaf when it
 * read it and is a table now (mmu/age.h).
 */
static void check_link_bits(struct checker *checker, const struct met_entry *spot)
{
	const struct encoding *e = checker->encoding;
	uint64_t may_lack = e->lockless_age && e->hardware_ad ? e->accessed : 0;

	if (((spot->entry & ~ENTRY_ADDRESS) | may_lack) != (e->table_bits | may_lack))
		violation_at(checker, TDP_INVARIANT_ENTRY, spot,
			     "a table's entry has other bits than those of every table");
}

/* Returns false if the entry does not link a table that is in use. */
static bool check_link_alive(struct checker *checker, const struct met_entry *spot)
{
	const struct tdp_host *host = checker->vm->host;
	tdp_pfn_t pfn = spte_pfn(spot->entry);

	if (spot->entry == FRAME_POISON) {
		violation_at(checker, TDP_INVARIANT_LIFETIME, spot,
			     "the table that holds the entry has been freed");
		return false;
	}
	if (!frame_is_table(host, pfn)) {
		violation_at(checker, TDP_INVARIANT_ENTRY, spot,
			     "it links a frame that is not a page table's");
		return false;
	}
	if (!frame_table_in_use(host, pfn)) {
		violation_at(checker, TDP_INVARIANT_LIFETIME, spot,
			     "it links a table that has been freed");
		return false;
	}
	return true;
}

/* Compares record and place: a different parent means that two entries link the table. */
static bool check_record(struct checker *checker, const struct met_entry *spot,
			 const atomic_u64 *slot, const struct table *child)
{
	uint32_t role = u32_load_relaxed(&spot->table->role) & ~ROLE_INVALID;

	if (child->parent != slot) {
		violation_at(checker, TDP_INVARIANT_LIFETIME, spot,
			     "it links a table that another entry links");
		return false;
	}
	if (u32_load_relaxed(&child->role) != role_of_child(role)) {
		violation_at(checker, TDP_INVARIANT_ENTRY, spot,
			     "it links a table whose role is not one level below its own");
		return false;
	}
	if (child->gfn.n != spot->gfn.n)
		violation_at(checker, TDP_INVARIANT_ENTRY, spot,
			     "it links a table made for another gfn");
	return true;
}

static void check_link(struct checker *checker, const struct met_entry *spot,
		       const atomic_u64 *slot)
{
	const struct table *child;

	if (!check_link_alive(checker, spot))
		return;
	child = table_of(checker->vm->host, spte_pfn(spot->entry));
	check_link_bits(checker, spot);
	if (!check_record(checker, spot, slot, child))
		return;
	checker->tables++;
	check_nx_table(checker, spot, child);
	check_table(checker, spot, child);
}

static void check_not_present(struct checker *checker, const struct met_entry *spot)
{
	const struct encoding *e = checker->encoding;

	if (spot->entry == e->nonpresent)
		return;
	if (spte_frozen(e, spot->entry))
		violation_at(checker, TDP_INVARIANT_FROZEN, spot, "no actor is going to thaw it");
	else if (spte_mmio(e, spot->entry))
		check_hole(checker, spot);
	else
		violation_at(checker, TDP_INVARIANT_ENTRY, spot,
			     "not present, and none of the values that such an entry may have");
}

static void check_entry(struct checker *checker, const struct met_entry *spot,
			const atomic_u64 *slot)
{
	const struct encoding *e = checker->encoding;

	if (!spte_present(e, spot->entry))
		check_not_present(checker, spot);
	else if (spte_table(e, spot->entry, spot->level))
		check_link(checker, spot, slot);
	else
		check_leaf(checker, spot);
}

static void check_table(struct checker *checker, const struct met_entry *link,
			const struct table *table)
{
	atomic_u64 *entries = table_entries(checker->vm->host, table);
	struct met_entry spot = *link;

	spot.table = table;
	spot.level = table_level(table);
	for (unsigned int i = 0; i < TABLE_ENTRIES; i++) {
		spot.entry = u64_load_relaxed(&entries[i]);
		spot.gfn = tdp_gfn(link->gfn.n + i * tdp_level_pages(spot.level));
		check_entry(checker, &spot, &entries[i]);
		if (spot.entry == FRAME_POISON)
			break; /* the rest of the table is poison, too */
	}
}

void check_tree(struct checker *checker, const struct table *root)
{
	unsigned int level = table_level(root);
	struct met_entry top = {
		.root = root,
		.walker = &checker->vm->walkers[level == TDP_LEVEL_5],
		.address_space = role_address_space(u32_load_relaxed(&root->role)),
	};

	check_table(checker, &top, root);
}
