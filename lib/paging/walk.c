/*
 * The hardware's walk of the second level
 *
 * Order of checks (SDM vol. 3, 29.3.3; APM vol. 2, 15.25.6). At each entry from the root
 * down the walk checks that it is present, then its reserved bits and illegal combinations.
 * After the leaf it checks the rights of all entries together; then it sets the accessed
 * and dirty flags. So a misconfigured lower entry hides a missing right in an upper one,
 * and a refused walk changes no flag.
 *
 * Order of memory
 *   Following a table pointer is a load-acquire: it pairs with the release that
 *   linked the table, or we could read a new table before its zeroes. The walk sets a
 *   flag by compare-and-swap against the entry that it read; if another actor has changed
 *   the entry meanwhile, the whole walk starts again.
 */
#include "paging/walker.h"

#include <string.h>

#include "platform/wait.h"

/* EPT violation: exit qualification (SDM vol. 3, table 28-7). */
#define QUALIFICATION_READ	     (1ULL << 0)
#define QUALIFICATION_WRITE	     (1ULL << 1)
#define QUALIFICATION_FETCH	     (1ULL << 2)
#define QUALIFICATION_RIGHTS_SHIFT   3 /* R, W, X of the entries used */
#define QUALIFICATION_EXEC_USER	     (1ULL << 6)
#define QUALIFICATION_LINEAR_VALID   (1ULL << 7)
#define QUALIFICATION_TRANSLATED     (1ULL << 8)
#define QUALIFICATION_USER	     (1ULL << 9)
#define QUALIFICATION_GUEST_WRITABLE (1ULL << 10)
#define QUALIFICATION_GUEST_NO_EXEC  (1ULL << 11)

/* Nested page fault: EXITINFO1 (APM vol. 2, 15.25.6). */
#define EXITINFO_PRESENT  (1ULL << 0)
#define EXITINFO_WRITE	  (1ULL << 1)
#define EXITINFO_USER	  (1ULL << 2)
#define EXITINFO_RESERVED (1ULL << 3)
#define EXITINFO_FETCH	  (1ULL << 4)
#define EXITINFO_FINAL	  (1ULL << 32)
#define EXITINFO_TABLE	  (1ULL << 33)

/* One descent; `level` is where it stopped. */
struct descent {
	tdp_pfn_t table;
	unsigned int level;
	unsigned int top; /* the level of the first entry read */
	uint64_t rights;
	bool present; /* of the entry where it stopped */
	atomic_u64 *slots[TDP_LEVEL_MAX + 1];
	uint64_t entries[TDP_LEVEL_MAX + 1];
};

static uint64_t qualification(const struct walker *walker, const struct second_access *access,
			      uint64_t rights)
{
	bool both = access->table && (walker->config.ad || access->update);
	bool fetch = access->right == RIGHT_FETCH || access->right == RIGHT_FETCH_USER;
	uint64_t code = (rights & format_ept.present) << QUALIFICATION_RIGHTS_SHIFT;

	if (both || access->right == RIGHT_READ)
		code |= QUALIFICATION_READ;
	if (both || access->right == RIGHT_WRITE)
		code |= QUALIFICATION_WRITE;
	if (fetch)
		code |= QUALIFICATION_FETCH;
	if (walker->config.mbec && rights & format_ept.exec_user)
		code |= QUALIFICATION_EXEC_USER;
	if (access->linear_invalid)
		return code;
	code |= QUALIFICATION_LINEAR_VALID;
	if (access->table)
		return code;
	code |= QUALIFICATION_TRANSLATED;
	if (!walker->config.advanced_exit_info)
		return code;
	if (access->user)
		code |= QUALIFICATION_USER;
	if (!access->guest_read_only)
		code |= QUALIFICATION_GUEST_WRITABLE;
	if (access->guest_no_exec)
		code |= QUALIFICATION_GUEST_NO_EXEC;
	return code;
}

static uint64_t exitinfo(const struct walker *walker, const struct second_access *access,
			 bool present, bool reserved)
{
	bool fetch = access->right == RIGHT_FETCH || access->right == RIGHT_FETCH_USER;
	uint64_t code = access->table ? EXITINFO_TABLE : EXITINFO_FINAL;

	if (present && !(reserved && walker->config.reserved_not_present))
		code |= EXITINFO_PRESENT;
	if (access->right == RIGHT_WRITE)
		code |= EXITINFO_WRITE;
	if (!walker->config.gmet || access->user || access->table)
		code |= EXITINFO_USER;
	if (reserved)
		code |= EXITINFO_RESERVED;
	/* As for #PF: fetches are reported as such only if the host can refuse them. */
	if (fetch && (walker->config.host_nxe || walker->config.host_smep))
		code |= EXITINFO_FETCH;
	return code;
}

/* Out of line: a refusal is rare, and the descent should stay small. */
static __attribute__((noinline)) void refuse(const struct walker *walker,
					     const struct second_access *access,
					     const struct descent *descent,
					     enum tdp_walk_outcome outcome,
					     struct tdp_walk_result *result)
{
	uint64_t entry = descent->entries[descent->level];

	memset(result, 0, sizeof(*result));
	result->outcome = outcome;
	result->gpa = access->gpa;
	result->entry = entry;
	result->entry_level = descent->level;
	if (outcome == TDP_WALK_NO_FRAME || outcome == TDP_WALK_LOG_FULL)
		return;
	if (walker->config.format == TDP_NPT) {
		result->error_code =
			exitinfo(walker, access, descent->present, outcome == TDP_WALK_MISCONFIG);
	} else if (outcome == TDP_WALK_VIOLATION) {
		result->error_code = qualification(walker, access, descent->rights);
		result->ve_convertible = descent->level && !(entry & format_ept.suppress_ve);
	}
}

/* The address is wider than the walk translates: no entry is used. */
static __attribute__((noinline)) void refuse_wide(const struct walker *walker,
						  const struct second_access *access,
						  struct tdp_walk_result *result)
{
	bool reserved = walker->config.format == TDP_NPT && walker->config.wide_gpa_reserved;
	struct descent none = {.present = reserved};

	refuse(walker, access, &none, reserved ? TDP_WALK_MISCONFIG : TDP_WALK_VIOLATION, result);
}

/* C1: entries in the cache have their flags set; a walk that sets none must not rely on that. */
static void start(const struct walker *walker, struct walk_cache *cache, tdp_pfn_t root,
		  uint64_t gfn, struct descent *descent)
{
	descent->table = root;
	descent->level = walker->config.levels;
	descent->rights = ~0ULL;
	for (unsigned int level = 1; cache && level < walker->config.levels; level++) {
		const struct walk_cache_entry *known = walk_cache_find(cache, root.n, gfn, level);

		if (!known)
			continue;
		descent->table = tdp_pfn(known->table);
		descent->level = level;
		descent->rights = known->rights;
		break;
	}
	descent->top = descent->level;
}

/* Bit 12 of a large NPT leaf is PAT; the rounding drops it. */
static tdp_pfn_t leaf_pfn(uint64_t entry, unsigned int level, uint64_t gfn)
{
	uint64_t within = tdp_level_pages(level) - 1;

	return tdp_pfn((entry_pfn(entry).n & ~within) | (gfn & within));
}

/* Checks the frame that an entry points at before anything is changed. */
static bool has_frame(const struct walker *walker, tdp_pfn_t pfn)
{
	return host_has_frame(walker->host, pfn);
}

static enum tdp_walk_outcome descend(const struct walker *walker, uint64_t gfn,
				     struct descent *descent)
{
	for (;;) {
		unsigned int level = descent->level;
		atomic_u64 *table = frame_address(walker->host, descent->table);
		uint64_t entry;
		bool leaf;

		descent->slots[level] = &table[entry_index(gfn, level)];
		entry = u64_load_acquire(descent->slots[level]);
		descent->entries[level] = entry;
		descent->rights &= entry ^ walker->forbidding;
		descent->present = walker_is_present(walker, entry);
		if (!descent->present)
			return TDP_WALK_VIOLATION;
		leaf = walker_is_leaf(walker, entry, level);
		if (walker_is_misconfigured(walker, entry, level, leaf))
			return TDP_WALK_MISCONFIG;
		if (leaf)
			return TDP_WALK_DONE;
		descent->table = entry_pfn(entry);
		if (!has_frame(walker, descent->table))
			return TDP_WALK_NO_FRAME;
		descent->level = level - 1;
	}
}

/* Descends to the leaf and checks it: the result if nothing changes meanwhile. */
static enum tdp_walk_outcome judge(const struct walker *walker, uint64_t gfn, enum walk_right right,
				   struct descent *descent)
{
	enum tdp_walk_outcome outcome;

	if (!has_frame(walker, descent->table)) {
		descent->entries[descent->level] = 0;
		return TDP_WALK_NO_FRAME;
	}
	outcome = descend(walker, gfn, descent);
	if (outcome != TDP_WALK_DONE)
		return outcome;
	if (!walker_grants(walker, descent->rights, right))
		return TDP_WALK_VIOLATION;
	if (!has_frame(walker, leaf_pfn(descent->entries[descent->level], descent->level, gfn)))
		return TDP_WALK_NO_FRAME;
	return TDP_WALK_DONE;
}

/* Returns false if the entry has changed since it was read. */
static bool set_flags(struct descent *descent, unsigned int level, uint64_t flags)
{
	uint64_t entry = descent->entries[level];

	if ((entry & flags) == flags)
		return true;
	if (!u64_cas_acq_rel(descent->slots[level], &entry, entry | flags))
		return false;
	descent->entries[level] |= flags;
	return true;
}

static bool set_all_flags(const struct walker *walker, struct descent *descent, bool write)
{
	for (unsigned int level = descent->top; level > descent->level; level--)
		if (!set_flags(descent, level, walker->accessed))
			return false;
	return set_flags(descent, descent->level, walker->accessed | (write ? walker->dirty : 0));
}

/* Will the walk set the leaf's dirty flag, which the CPU logs? */
static bool dirties(const struct walker *walker, const struct second_access *access,
		    const struct descent *descent)
{
	return access->right == RIGHT_WRITE && !access->no_update &&
	       (~descent->entries[descent->level] & walker->dirty);
}

static void remember(struct walk_cache *cache, const struct walker *walker, tdp_pfn_t root,
		     uint64_t gfn, const struct descent *descent)
{
	uint64_t rights = ~0ULL;

	if (descent->top < walker->config.levels)
		rights = walk_cache_find(cache, root.n, gfn, descent->top)->rights;
	for (unsigned int level = descent->top; level > descent->level; level--) {
		uint64_t entry = descent->entries[level];

		rights &= entry ^ walker->forbidding;
		walk_cache_put(cache, root.n, gfn, level - 1, entry_pfn(entry).n, rights);
	}
}

static void fill_hit(const struct walker *walker, uint64_t gfn, const struct descent *descent,
		     struct second_hit *hit)
{
	uint64_t entry = descent->entries[descent->level];

	hit->pfn = leaf_pfn(entry, descent->level, gfn);
	hit->level = descent->level;
	hit->rights = descent->rights;
	hit->entry = entry;
	hit->dirty = (entry & walker->dirty) == walker->dirty;
}

bool second_translate(const struct walker *walker, struct walk_cache *cache, struct write_log *log,
		      tdp_pfn_t root, const struct second_access *access, struct second_hit *hit,
		      struct tdp_walk_result *result)
{
	uint64_t gfn = access->gpa >> TDP_PAGE_SHIFT;
	struct waiting waiting = {0};
	struct descent descent;

	if (gfn >> (9 * walker->config.levels)) {
		refuse_wide(walker, access, result);
		return false;
	}
	if (access->no_update)
		cache = NULL;
	for (;; platform_pause(&waiting)) {
		enum tdp_walk_outcome outcome;
		bool logged;

		start(walker, cache, root, gfn, &descent);
		outcome = judge(walker, gfn, access->right, &descent);
		logged = log && outcome == TDP_WALK_DONE && dirties(walker, access, &descent);
		if (logged && write_log_full(log))
			outcome = TDP_WALK_LOG_FULL;
		if (outcome != TDP_WALK_DONE) {
			if (cache)
				walk_cache_forget(cache, gfn);
			refuse(walker, access, &descent, outcome, result);
			return false;
		}
		if (!access->no_update &&
		    !set_all_flags(walker, &descent, access->right == RIGHT_WRITE))
			continue;
		if (logged)
			write_log_put(log, tdp_gfn(gfn));
		break;
	}
	if (cache)
		remember(cache, walker, root, gfn, &descent);
	fill_hit(walker, gfn, &descent, hit);
	return true;
}

/*
 * The access to a guest's table is a user write on NPT (APM vol. 2, 15.25.5); on EPT a write where
 * EPT keeps A/D flags, else a read, and a write when a flag in the guest's entry is to be set (SDM
 * vol. 3, 29.3.3.2).
 */
struct second_access second_table_access(const struct walker *walker, uint64_t gpa, bool update)
{
	bool write = update || walker->config.format == TDP_NPT || walker->config.ad;
	struct second_access access = {
		.gpa = gpa,
		.right = write ? RIGHT_WRITE : RIGHT_READ,
		.table = true,
		.update = update,
	};

	return access;
}

uint8_t second_rights(const struct walker *walker, uint64_t rights, bool user_address)
{
	bool npt = walker->config.format == TDP_NPT;
	unsigned int allowed = 0;

	if (walker_grants(walker, rights, RIGHT_READ))
		allowed |= TDP_RIGHT(TDP_READ, false) | TDP_RIGHT(TDP_READ, true);
	if (walker_grants(walker, rights, RIGHT_WRITE))
		allowed |= TDP_RIGHT(TDP_WRITE, false) | TDP_RIGHT(TDP_WRITE, true);
	/* MBEC depends on the address's privilege, GMET on that of the fetching code. */
	if (walker_grants(walker, rights, walk_right_of(TDP_FETCH, !npt && user_address)))
		allowed |= TDP_RIGHT(TDP_FETCH, false);
	if (walker_grants(walker, rights, walk_right_of(TDP_FETCH, npt || user_address)))
		allowed |= TDP_RIGHT(TDP_FETCH, true);
	return (uint8_t)allowed;
}

void walk_finish(const struct tdp_walk_request *request, uint64_t gpa, const struct second_hit *hit,
		 unsigned int level, uint8_t rights, struct tdp_walk_result *result)
{
	*result = (struct tdp_walk_result){
		.outcome = TDP_WALK_DONE,
		.pfn = hit->pfn,
		.level = level,
		.writable = rights & TDP_RIGHT(TDP_WRITE, request->user),
		.executable = rights & TDP_RIGHT(TDP_FETCH, request->user),
		.user = rights & TDP_RIGHT(TDP_READ, true),
		.rights = rights,
		.dirty = hit->dirty,
		.gpa = gpa,
		.entry = hit->entry,
		.entry_level = hit->level,
	};
}

void walk_second(const struct walker *walker, struct walk_cache *cache, tdp_pfn_t root,
		 const struct tdp_walk_request *request, struct tdp_walk_result *result)
{
	struct second_access access = {
		.gpa = request->address,
		.right = walk_right_of(request->access, request->user),
		.user = request->user,
	};
	struct second_hit hit;

	if (request->table)
		access =
			second_table_access(walker, request->address, request->access == TDP_WRITE);
	access.linear_invalid = request->linear_invalid;
	access.no_update = request->no_update;
	if (second_translate(walker, cache, NULL, root, &access, &hit, result))
		walk_finish(request, request->address, &hit, hit.level,
			    second_rights(walker, hit.rights, request->user), result);
}

int tdp_walk_gpa(const struct tdp_host *host, const struct tdp_walk_config *config, tdp_pfn_t root,
		 const struct tdp_walk_request *request, struct tdp_walk_result *result)
{
	struct walker walker;
	int err = walker_init(&walker, host, config);

	if (!err)
		err = walker_check_request(&walker, request);
	if (err)
		return err;
	walk_second(&walker, NULL, root, request, result);
	return 0;
}
