/*
 * Page tables: 4 KiB frames of 512 entries, and a record for each
 *
 * A table's record lies at its frame's index in a sparse array of the host, so entry -> table,
 * table -> frame and back are arithmetic.
 *
 * Rules
 *   T1  A table's frame is filled and its record complete before an entry that links it is stored
 *       with release; an actor that follows the entry with acquire sees both.
 *   T2  A linked table is freed only by the actor that unlinked it, after a grace period
 *       (table_free_deferred()): a late pointer finds a dead page, never a reused one. A table that
 *       was never linked is freed at once.
 */
#ifndef TDPSIM_PAGING_TABLE_H
#define TDPSIM_PAGING_TABLE_H

#include <sys/queue.h>

#include "host/frame.h"
#include "paging/format.h"
#include "paging/role.h"

#define TABLE_ENTRIES 512

/* It fits into one cache line; there is one for each table frame. */
struct table {
	/*
	 * Level and kind are immutable once the table is visible. Of a root, ROLE_INVALID is set
	 * once, under mmu_lock exclusively; readers hold mmu_lock in either mode, or take it as a
	 * hint and test again under it.
	 */
	atomic_u32 role;
	/*
	 * Roots: the number of references. Any actor increments it unless it is zero;
	 * acquire-release, so that the last put sees everything that was done under the other
	 * references.
	 */
	atomic_u32 references;
	tdp_gfn_t gfn;	    /* first gfn covered; immutable while linked */
	atomic_u64 *parent; /* the entry that links it; immutable while linked; roots NULL */
	/*
	 * A huge page is forbidden in place of this table, because its region was executed
	 * (mmu/nx.h). Set before the table is linked and published with the record (T1), cleared
	 * under pages_lock. A fault that reads it set a moment too long maps smaller than it could.
	 * Cleared by a release after the last use of the links, read by an acquire: an actor that
	 * removes the table and finds it clear reuses the memory of the links as `rcu`.
	 */
	atomic_u32 nx_disallowed;
	bool nx_listed; /* on the list of possible NX huge pages; with the links under pages_lock */
	bool zap_scheduled; /* roots: invalidated and not yet zapped; under slots_lock */
	/* Roots: the list of roots. Changed under pages_lock with release, followed
	 * under RCU with acquire. */
	atomic_ptr next_root;
	union {
		TAILQ_ENTRY(table) nx_link; /* while nx_listed, so not once it is unlinked */
		struct rcu_head rcu;	    /* while the table waits for a grace period */
	};
};

_Static_assert(sizeof(struct table) <= FRAME_RECORD_BYTES, "a record must fit its slot");

static inline struct table *table_of(const struct tdp_host *host, tdp_pfn_t pfn)
{
	return frame_record(host, pfn);
}

static inline tdp_pfn_t table_pfn(const struct tdp_host *host, const struct table *table)
{
	return tdp_pfn((uint64_t)((const uint8_t *)table - host->records) / FRAME_RECORD_BYTES);
}

static inline atomic_u64 *table_entries(const struct tdp_host *host, const struct table *table)
{
	return frame_address(host, table_pfn(host, table));
}

/* table.c: is the table alive, and was it made for that place? */
bool table_is_of(const struct tdp_host *host, const struct table *table, tdp_gfn_t gfn,
		 unsigned int level);

/* The table that holds an entry. */
static inline struct table *table_of_entry(const struct tdp_host *host, const atomic_u64 *entry)
{
	return table_of(host, frame_of(host, entry));
}

static inline unsigned int table_level(const struct table *table)
{
	/* relaxed: the level never changes while the table can be reached (T1) */
	return role_level(u32_load_relaxed(&table->role));
}

/* The first frame that a tree of that many levels does not translate. */
static inline uint64_t table_reach(unsigned int root_level)
{
	return tdp_level_pages(root_level + 1);
}

/* table.c: the checks that table_is_linked() makes under `check`. */
bool table_examine(struct tdp_host *host, tdp_pfn_t pfn, tdp_gfn_t gfn, unsigned int level);

/*
 * Does the entry, which spans `gfn` at `level`, link a live table made for that place? Always,
 * inside an RCU section (T2): if not, the table was freed too early, or the entry is that of a
 * freed table; the host counts it. Without `check` only an address outside of the tables is
 * refused.
 */
static inline bool table_is_linked(struct tdp_host *host, uint64_t entry, tdp_gfn_t gfn,
				   unsigned int level)
{
	uint64_t at = entry & ENTRY_ADDRESS;

	return __builtin_expect(at < host->tables_trusted, 1) ||
	       table_examine(host, tdp_pfn(at >> TDP_PAGE_SHIFT), gfn, level);
}

/* The entries of the table that an entry links. */
static inline atomic_u64 *table_linked(const struct tdp_host *host, uint64_t entry)
{
	return (atomic_u64 *)(host->window + (entry & ENTRY_ADDRESS));
}

/* Under `check`: counts an entry whose value is the poison of freed tables. */
static inline void table_meet(struct tdp_host *host, uint64_t entry)
{
	if (__builtin_expect(host->config.check && entry == FRAME_POISON, 0))
		u64_add_relaxed(&host->freed_table_uses, 1);
}

/* Host-physical address of an entry, for tracepoints. */
static inline uint64_t entry_address(const struct tdp_host *host, const atomic_u64 *entry)
{
	return (uint64_t)((const uint8_t *)entry - host->window);
}

/* Allocates a table, every entry `fill`; the caller sets its role, gfn and parent. */
int table_alloc(struct host_caller *caller, uint64_t fill, struct table **table);

/*
 * The same without filling it, for a caller that fills it before any other actor sees it. Upstream
 * gets a cleared page here too, and pays for that.
 */
int table_alloc_bare(struct host_caller *caller, struct table **table);

/* Stores first, first + step, ... in all entries of a table that no other actor has seen. */
void table_fill(struct tdp_host *host, struct table *table, uint64_t first, uint64_t step);

/* For a table that no other actor has seen. */
void table_free_now(struct host_caller *caller, struct table *table);

/* For a table that was linked. Never fails. */
void table_free_deferred(struct tdp_host *host, struct table *table);

#endif
