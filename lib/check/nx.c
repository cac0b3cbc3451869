/*
 * Checks NX huge pages (mmu/nx.h): which leaves are executable, and that the list of
 * possible huge pages keeps its rules.
 */
#include <inttypes.h>

#include "check/checker.h"
#include "host/frame.h"
#include "mmu/nx.h"
#include "mmu/nx_list.h"

/*
 * X5: all leaves of a root were made under one setting. An access-tracked leaf keeps its
 * right to execute in the saved bits.
 */
void check_executable(struct checker *checker, const struct met_entry *spot)
{
	const struct encoding *e = checker->encoding;
	bool wanted = spot->level == TDP_4K || !checker->mmu->watched.nx_active;
	uint64_t spte = spot->entry;

	if (spte_access_tracked(e, spte))
		spte = spte_restore(e, spte);
	if (spte_executable(e, spte) && !wanted)
		violation_at(checker, TDP_INVARIANT_NX, spot, "a huge leaf that may be executed");
	else if (!spte_executable(e, spte) && wanted)
		violation_at(checker, TDP_INVARIANT_NX, spot, "a leaf that may not be executed");
}

/* Checks a table that a tree links. */
void check_nx_table(struct checker *checker, const struct met_entry *link,
		    const struct table *table)
{
	if (!table->nx_listed)
		return;
	checker->nx_listed++;
	if (!nx_disallows(table))
		violation_at(checker, TDP_INVARIANT_NX, link,
			     "its table is on the list and does not forbid a huge leaf");
}

/* Stops at a record that is not on the list, because its links may be anything. */
static uint64_t walk_list(struct checker *checker)
{
	const struct nx_pages *pages = &checker->mmu->pages.nx;
	const struct table *table = TAILQ_FIRST(&pages->tables);
	uint64_t count = 0;

	while (table && count < pages->count) {
		tdp_pfn_t pfn = table_pfn(checker->vm->host, table);

		if (!table->nx_listed || !frame_table_in_use(checker->vm->host, pfn)) {
			violation(checker, TDP_INVARIANT_NX,
				  "table 0x%" PRIx64 " is on the list and has been freed", pfn.n);
			break;
		}
		count++;
		table = TAILQ_NEXT(table, nx_link);
	}
	return count;
}

void check_nx(struct checker *checker)
{
	uint64_t counted = checker->mmu->pages.nx.count, found = walk_list(checker);

	if (found != counted)
		violation(checker, TDP_INVARIANT_NX,
			  "the list counts %" PRIu64 " tables, a walk finds %" PRIu64, counted,
			  found);
	if (checker->nx_listed != counted)
		violation(checker, TDP_INVARIANT_NX,
			  "the list counts %" PRIu64 " tables, and trees link %" PRIu64 " of them",
			  counted, checker->nx_listed);
}
