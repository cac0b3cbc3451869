/*
 * The hardware's walk, as the library uses it. A walker holds the masks of a
 * tdp_walk_config, which are computed once.
 *
 * A walker is immutable after walker_init() and may be shared by any number of
 * vCPUs; a cache and a log of written pages belong to one vCPU and may be NULL. The walk takes no
 * lock, see tdp_walk_gpa(). None of this includes the tables or the iterator: frames are read
 * through the entry format alone.
 */
#ifndef TDPSIM_PAGING_WALKER_H
#define TDPSIM_PAGING_WALKER_H

#include <tdpsim/walk.h>

#include "host/host.h"
#include "paging/format.h"
#include "paging/walk_cache.h"
#include "paging/write_log.h"

/* The rights that a second-level translation must grant. */
enum walk_right {
	RIGHT_READ,
	RIGHT_WRITE,
	RIGHT_FETCH,	  /* EPT: from a supervisor address; NPT: by supervisor code */
	RIGHT_FETCH_USER, /* EPT: from a user address; NPT: by user code */
	WALK_RIGHTS
};

struct walker {
	const struct tdp_host *host;
	const struct format *format;
	struct tdp_walk_config config; /* as used: defaults filled in */
	uint64_t present;	       /* any of these: present */
	uint64_t forbidding;	       /* bits that grant a right when they are clear */
	uint64_t illegal;	       /* EPT: bit n says that the low six bits may not be n */
	uint64_t accessed, dirty;      /* 0: the machine keeps no flags */
	/* A right is granted if the rights of all entries, under `care`, are `need`. */
	uint64_t care[WALK_RIGHTS], need[WALK_RIGHTS];
	uint64_t reserved[2][TDP_LEVEL_MAX + 1];       /* by leaf, by level */
	uint64_t guest_reserved[2][TDP_LEVEL_MAX + 1]; /* of a long-mode guest's entries */
	uint64_t guest_reserved_4m;		       /* of a 32-bit guest's 4M leaf */
};

/* -EINVAL: the config is out of range; the host's report says how. */
int walker_init(struct walker *walker, const struct tdp_host *host,
		const struct tdp_walk_config *config);

/* -EINVAL: the request is out of range. For requests from outside. */
int walker_check_request(const struct walker *walker, const struct tdp_walk_request *request);

/* tdp_walk_gpa() and tdp_walk() on a walker; the former sets flags and logs no page. */
void walk_second(const struct walker *walker, struct walk_cache *cache, tdp_pfn_t root,
		 const struct tdp_walk_request *request, struct tdp_walk_result *result);
void walk_linear(const struct walker *walker, struct walk_cache *cache, struct write_log *log,
		 tdp_pfn_t root, const struct tdp_guest_paging *paging,
		 const struct tdp_walk_request *request, struct tdp_walk_result *result);

/* One second-level translation, as the two walks ask for it. */
struct second_access {
	uint64_t gpa;
	enum walk_right right;
	bool table;  /* of a guest paging-structure entry */
	bool update; /* ... whose accessed or dirty flag is to be set */
	bool user;   /* EPT: the linear address is a user one; NPT: CPL 3 */
	/* What the guest's tables said, for the exit qualification. */
	bool guest_read_only, guest_no_exec;
	bool linear_invalid, no_update;
};

struct second_hit {
	tdp_pfn_t pfn;
	unsigned int level;
	uint64_t rights; /* of all entries together, with the `forbidding` bits inverted */
	uint64_t entry;
	bool dirty; /* the leaf has its dirty flag, or keeps none */
};

/* Returns false if the walk was refused; *result says why. */
bool second_translate(const struct walker *walker, struct walk_cache *cache, struct write_log *log,
		      tdp_pfn_t root, const struct second_access *access, struct second_hit *hit,
		      struct tdp_walk_result *result);

/* The access to a guest's table: the right that it needs, and how a fault reports it. */
struct second_access second_table_access(const struct walker *walker, uint64_t gpa, bool update);

/* The second level's half of TDP_RIGHT()s, for an address that is (EPT) user or not. */
uint8_t second_rights(const struct walker *walker, uint64_t rights, bool user_address);

/* Fills in the result of a finished walk. `level` and `rights` are those of both dimensions. */
void walk_finish(const struct tdp_walk_request *request, uint64_t gpa, const struct second_hit *hit,
		 unsigned int level, uint8_t rights, struct tdp_walk_result *result);

static inline enum walk_right walk_right_of(enum tdp_access access, bool user)
{
	if (access == TDP_FETCH)
		return user ? RIGHT_FETCH_USER : RIGHT_FETCH;
	return access == TDP_WRITE ? RIGHT_WRITE : RIGHT_READ;
}

static inline tdp_pfn_t entry_pfn(uint64_t entry)
{
	uint64_t address = entry & ENTRY_ADDRESS;

	return tdp_pfn(address >> TDP_PAGE_SHIFT);
}

static inline bool walker_grants(const struct walker *walker, uint64_t rights,
				 enum walk_right right)
{
	return (rights & walker->care[right]) == walker->need[right];
}

static inline bool walker_is_leaf(const struct walker *walker, uint64_t entry, unsigned int level)
{
	return level == TDP_4K || (level <= TDP_LEAF_LEVEL_MAX && entry & walker->format->large);
}

static inline bool walker_is_present(const struct walker *walker, uint64_t entry)
{
	return entry & walker->present;
}

/* Does a present entry have a reserved bit set, or an illegal combination of bits? */
static inline bool walker_is_misconfigured(const struct walker *walker, uint64_t entry,
					   unsigned int level, bool leaf)
{
	return entry & walker->reserved[leaf][level] || (walker->illegal >> (entry & 63) & 1);
}

#endif
