/*
 * The hardware's walk of a guest's own tables, which it reads through the second level
 * (SDM vol. 3, 4.3, 4.5 and 29.3.3; APM vol. 2, 5.2, 5.3 and 15.25.5).
 *
 * Order: from CR3 down, the walk translates each entry's guest-physical address before it
 * reads the entry; then it checks that the entry is present, then its reserved bits. After
 * the leaf it checks the guest's rights, so that a #PF takes precedence over an exit that
 * setting an accessed flag would cause; then it sets the guest's accessed and dirty flags,
 * root first; then it translates the final address. If a guest entry changes between the
 * read and the setting of a flag, the walk starts again from CR3.
 *
 * A guest's entries are guest memory, which other vCPUs may write at any time. So they are
 * shared words too, of 8 bytes in long mode and of 4 in 32-bit mode.
 */
#include "host/report.h"
#include "paging/walker.h"

#include <errno.h>
#include <string.h>

#include "platform/check.h"
#include "platform/wait.h"

#define GUEST_PRESENT  (1ULL << 0)
#define GUEST_WRITE    (1ULL << 1)
#define GUEST_USER     (1ULL << 2)
#define GUEST_ACCESSED (1ULL << 5)
#define GUEST_DIRTY    (1ULL << 6)
#define GUEST_LARGE    (1ULL << 7)
#define GUEST_NO_EXEC  (1ULL << 63)

/* Error code of a page fault (SDM vol. 3, 4.7). */
#define FAULT_PRESENT  (1U << 0)
#define FAULT_WRITE    (1U << 1)
#define FAULT_USER     (1U << 2)
#define FAULT_RESERVED (1U << 3)
#define FAULT_FETCH    (1U << 4)

enum attempt {
	ATTEMPT_OVER,  /* the result is written */
	ATTEMPT_GO_ON, /* to the next step */
	ATTEMPT_AGAIN, /* an entry has changed */
};

struct guest_entry {
	uint64_t gpa;
	void *word;
	uint64_t value;
};

struct guest_walk {
	const struct walker *walker;
	struct walk_cache *cache;
	struct write_log *log;
	tdp_pfn_t root;
	const struct tdp_guest_paging *paging;
	const struct tdp_walk_request *request;
	struct tdp_walk_result *result;
	uint64_t linear;
	unsigned int top;   /* level that CR3 points to */
	unsigned int level; /* of the leaf, when the descent is done */
	uint64_t rights;    /* of all entries, NO_EXEC turned round */
	struct guest_entry entries[TDP_LEVEL_MAX + 1];
};

static bool is_32bit(const struct guest_walk *walk)
{
	return walk->paging->mode == TDP_PAGING_32BIT;
}

/* Bits of the linear address below what an entry at `level` maps. */
static unsigned int shift_at(const struct guest_walk *walk, unsigned int level)
{
	return TDP_PAGE_SHIFT + (is_32bit(walk) ? 10 : 9) * (level - 1);
}

static enum attempt guest_fault(struct guest_walk *walk, uint32_t cause)
{
	const struct tdp_walk_request *request = walk->request;
	bool no_exec = walk->paging->nxe && !is_32bit(walk);
	struct tdp_walk_result *result = walk->result;

	memset(result, 0, sizeof(*result));
	result->outcome = TDP_WALK_GUEST_FAULT;
	result->gpa = walk->entries[walk->level].gpa;
	result->guest_error_code = cause;
	if (request->access == TDP_WRITE)
		result->guest_error_code |= FAULT_WRITE;
	if (request->user)
		result->guest_error_code |= FAULT_USER;
	if (request->access == TDP_FETCH && (no_exec || walk->paging->smep))
		result->guest_error_code |= FAULT_FETCH;
	return ATTEMPT_OVER;
}

static bool guest_translate(struct guest_walk *walk, struct second_access *access,
			    struct second_hit *hit)
{
	access->linear_invalid = walk->request->linear_invalid;
	access->no_update = walk->request->no_update;
	return second_translate(walk->walker, walk->cache, walk->log, walk->root, access, hit,
				walk->result);
}

/* The host address of the guest's entry at entries[level].gpa. */
static bool find_word(struct guest_walk *walk, unsigned int level, bool update)
{
	struct guest_entry *entry = &walk->entries[level];
	struct second_access access = second_table_access(walk->walker, entry->gpa, update);
	struct second_hit hit;
	uint8_t *frame;

	if (!guest_translate(walk, &access, &hit))
		return false;
	frame = frame_address(walk->walker->host, hit.pfn);
	entry->word = frame + (entry->gpa & (TDP_PAGE_SIZE - 1));
	return true;
}

static bool guest_is_leaf(const struct guest_walk *walk, uint64_t entry, unsigned int level)
{
	if (level == TDP_4K)
		return true;
	if (is_32bit(walk))
		return walk->paging->pse && entry & GUEST_LARGE;
	return level <= TDP_LEAF_LEVEL_MAX && entry & GUEST_LARGE;
}

static uint64_t guest_reserved(const struct guest_walk *walk, unsigned int level, bool leaf)
{
	if (is_32bit(walk))
		return leaf && level == TDP_2M ? walk->walker->guest_reserved_4m : 0;
	return walk->walker->guest_reserved[leaf][level] | (walk->paging->nxe ? 0 : GUEST_NO_EXEC);
}

/* CR3 and entries hold a table's address in the same bits. */
static uint64_t table_gpa(const struct guest_walk *walk, uint64_t from, unsigned int level)
{
	uint64_t size = is_32bit(walk) ? 4 : 8;
	uint64_t mask = is_32bit(walk) ? 0xfffff000 : ENTRY_ADDRESS;
	uint64_t index = walk->linear >> shift_at(walk, level);

	return (from & mask) + (index & (TDP_PAGE_SIZE / size - 1)) * size;
}

static enum attempt guest_descend(struct guest_walk *walk)
{
	uint64_t from = walk->paging->cr3;

	walk->rights = ~0ULL;
	for (unsigned int level = walk->top;; level--) {
		struct guest_entry *entry = &walk->entries[level];
		bool leaf;

		walk->level = level;
		entry->gpa = table_gpa(walk, from, level);
		if (!find_word(walk, level, false))
			return ATTEMPT_OVER;
		/* Acquire: the guest publishes its tables with a release, as the MMU does. */
		entry->value = is_32bit(walk) ? u32_load_acquire(entry->word)
					      : u64_load_acquire(entry->word);
		if (!(entry->value & GUEST_PRESENT))
			return guest_fault(walk, 0);
		leaf = guest_is_leaf(walk, entry->value, level);
		if (entry->value & guest_reserved(walk, level, leaf))
			return guest_fault(walk, FAULT_PRESENT | FAULT_RESERVED);
		walk->rights &= entry->value ^ GUEST_NO_EXEC;
		if (leaf)
			return ATTEMPT_GO_ON;
		from = entry->value;
	}
}

/* SDM vol. 3, 4.6.1. */
static bool guest_allows(const struct guest_walk *walk, enum tdp_access access, bool user)
{
	const struct tdp_guest_paging *paging = walk->paging;
	bool user_page = walk->rights & GUEST_USER;
	bool no_exec = !is_32bit(walk) && !(walk->rights & GUEST_NO_EXEC);

	if (user && !user_page)
		return false;
	if (access == TDP_FETCH)
		return !no_exec && (user || !user_page || !paging->smep);
	if (!user && user_page && paging->smap)
		return false;
	if (access == TDP_WRITE)
		return walk->rights & GUEST_WRITE || (!user && !paging->wp);
	return true;
}

static bool swap_word(const struct guest_walk *walk, struct guest_entry *entry, uint64_t flags)
{
	uint64_t old = entry->value;
	uint32_t old_32bit = (uint32_t)old;

	if (is_32bit(walk))
		return u32_cas_acq_rel(entry->word, &old_32bit, (uint32_t)(old | flags));
	return u64_cas_acq_rel(entry->word, &old, old | flags);
}

static enum attempt guest_set_flags(struct guest_walk *walk, unsigned int level, uint64_t flags)
{
	const struct walker *walker = walk->walker;
	struct guest_entry *entry = &walk->entries[level];

	if ((entry->value & flags) == flags)
		return ATTEMPT_GO_ON;
	/* Without EPT A/D flags the walk read the entry by a read access: is it writable too? */
	if (walker->config.format == TDP_EPT && !walker->config.ad && !find_word(walk, level, true))
		return ATTEMPT_OVER;
	if (walk->request->no_update)
		return ATTEMPT_GO_ON;
	if (!swap_word(walk, entry, flags))
		return ATTEMPT_AGAIN;
	entry->value |= flags;
	return ATTEMPT_GO_ON;
}

static enum attempt guest_set_all_flags(struct guest_walk *walk)
{
	bool write = walk->request->access == TDP_WRITE;

	for (unsigned int level = walk->top; level >= walk->level; level--) {
		bool leaf = level == walk->level;
		uint64_t flags = GUEST_ACCESSED | (leaf && write ? GUEST_DIRTY : 0);
		enum attempt attempt = guest_set_flags(walk, level, flags);

		if (attempt != ATTEMPT_GO_ON)
			return attempt;
	}
	return ATTEMPT_GO_ON;
}

static uint64_t final_gpa(const struct guest_walk *walk)
{
	uint64_t entry = walk->entries[walk->level].value;
	uint64_t within = ((uint64_t)1 << shift_at(walk, walk->level)) - 1;
	uint64_t base = entry & ENTRY_ADDRESS & ~within;

	if (is_32bit(walk) && walk->level == TDP_2M) /* PSE-36 */
		base |= (entry >> 13 & 0xff) << 32;
	return base | (walk->linear & within);
}

/* The rights that both dimensions allow. `user_address`: U/S is set in all guest entries used. */
static void finish(struct guest_walk *walk, const struct second_access *access,
		   struct second_hit *hit, bool user_address)
{
	uint8_t rights = second_rights(walk->walker, hit->rights, user_address);
	unsigned int level = hit->level < walk->level ? hit->level : walk->level;

	for (unsigned int i = 0; i < 6; i++)
		if (!guest_allows(walk, (enum tdp_access)(i / 2), i & 1))
			rights &= (uint8_t) ~(1U << i);
	hit->dirty = hit->dirty && walk->entries[walk->level].value & GUEST_DIRTY;
	walk_finish(walk->request, access->gpa, hit, level, rights, walk->result);
}

static enum attempt translate_final(struct guest_walk *walk)
{
	const struct tdp_walk_request *request = walk->request;
	bool user_address = walk->rights & GUEST_USER;
	bool npt = walk->walker->config.format == TDP_NPT;
	/* MBEC depends on the address's privilege, GMET on that of the fetching code. */
	bool user = npt ? request->user : user_address;
	struct second_access access = {
		.gpa = final_gpa(walk),
		.right = walk_right_of(request->access, user),
		.user = user,
		.guest_read_only = !(walk->rights & GUEST_WRITE),
		.guest_no_exec = !is_32bit(walk) && !(walk->rights & GUEST_NO_EXEC),
	};
	struct second_hit hit;

	if (guest_translate(walk, &access, &hit))
		finish(walk, &access, &hit, user_address);
	return ATTEMPT_OVER;
}

static enum attempt guest_attempt(struct guest_walk *walk)
{
	enum attempt attempt = guest_descend(walk);

	if (attempt != ATTEMPT_GO_ON)
		return attempt;
	if (!guest_allows(walk, walk->request->access, walk->request->user))
		return guest_fault(walk, FAULT_PRESENT);
	attempt = guest_set_all_flags(walk);
	if (attempt != ATTEMPT_GO_ON)
		return attempt;
	return translate_final(walk);
}

/*
 * Without paging a linear address is a physical address, and EPT treats it as a user address
 * (SDM vol. 3, 29.3.3.2).
 */
static void walk_unpaged(const struct walker *walker, struct walk_cache *cache,
			 struct write_log *log, tdp_pfn_t root,
			 const struct tdp_walk_request *request, struct tdp_walk_result *result)
{
	bool user = walker->config.format == TDP_EPT || request->user;
	struct second_access access = {
		.gpa = request->address,
		.right = walk_right_of(request->access, user),
		.user = user,
		.linear_invalid = request->linear_invalid,
		.no_update = request->no_update,
	};
	struct second_hit hit;

	if (second_translate(walker, cache, log, root, &access, &hit, result))
		walk_finish(request, access.gpa, &hit, hit.level,
			    second_rights(walker, hit.rights, user), result);
}

/* False: bits above the mode's linear addresses are not copies of the highest one. */
static bool take_linear(struct guest_walk *walk)
{
	unsigned int unused = walk->top == TDP_LEVEL_5 ? 64 - 57 : 64 - 48;
	uint64_t linear = walk->request->address;

	walk->linear = linear;
	if (is_32bit(walk))
		return true; /* no index and no offset reaches beyond bit 31 */
	return (uint64_t)((int64_t)(linear << unused) >> unused) == linear;
}

static unsigned int guest_levels(enum tdp_paging_mode mode)
{
	switch (mode) {
	case TDP_PAGING_NONE:
		break;
	case TDP_PAGING_32BIT:
		return 2;
	case TDP_PAGING_LONG:
		return 4;
	case TDP_PAGING_LONG_LA57:
		return 5;
	}
	return 0;
}

void walk_linear(const struct walker *walker, struct walk_cache *cache, struct write_log *log,
		 tdp_pfn_t root, const struct tdp_guest_paging *paging,
		 const struct tdp_walk_request *request, struct tdp_walk_result *result)
{
	struct guest_walk walk = {
		.walker = walker,
		.cache = cache,
		.log = log,
		.root = root,
		.paging = paging,
		.request = request,
		.result = result,
		.top = guest_levels(paging->mode),
	};
	struct waiting waiting = {0};

	if (paging->mode == TDP_PAGING_NONE) {
		walk_unpaged(walker, cache, log, root, request, result);
		return;
	}
	CHECK(walk.top);
	if (!take_linear(&walk)) {
		memset(result, 0, sizeof(*result));
		result->outcome = TDP_WALK_GUEST_FAULT;
		return;
	}
	while (guest_attempt(&walk) == ATTEMPT_AGAIN)
		platform_pause(&waiting);
}

int tdp_walk(const struct tdp_host *host, const struct tdp_walk_config *config, tdp_pfn_t root,
	     const struct tdp_guest_paging *paging, const struct tdp_walk_request *request,
	     struct tdp_walk_result *result)
{
	struct walker walker;
	int err = walker_init(&walker, host, config);

	if (!err)
		err = walker_check_request(&walker, request);
	if (err)
		return err;
	if (paging->mode != TDP_PAGING_NONE && !guest_levels(paging->mode)) {
		host_report(host, "walk: there is no paging mode %d", (int)paging->mode);
		return -EINVAL;
	}
	walk_linear(&walker, NULL, NULL, root, paging, request, result);
	return 0;
}
