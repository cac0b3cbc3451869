/* Counting ageings for the checker. See tracked.h. */
#include "mmu/tracked.h"

#include <errno.h>

#include "host/host.h"

#define WORDS 4096 /* a power of two */

int tracked_init(struct tracked *tracked, struct tdp_host *host)
{
	u64_init(&tracked->all, 0);
	tracked->words = host_allocate(host, WORDS * sizeof(*tracked->words));
	return tracked->words ? 0 : -ENOMEM;
}

void tracked_fini(struct tracked *tracked, struct tdp_host *host)
{
	if (tracked->words)
		host_release(host, tracked->words, WORDS * sizeof(*tracked->words));
}

/* Fibonacci hashing; frames are numbered by leaves of their level. */
static atomic_u64 *word_of(const struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn,
			   unsigned int level)
{
	uint64_t leaf = gfn.n / tdp_level_pages(level) << 3 | level << 1 | address_space;

	return &tracked->words[leaf * 0x9e3779b97f4a7c15ULL >> 52 & (WORDS - 1)];
}

void tracked_count(struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn,
		   unsigned int level)
{
	if (!tracked->words)
		return;
	u64_add_acq_rel(word_of(tracked, address_space, gfn, level), 1);
	u64_add_acq_rel(&tracked->all, 1);
}

uint64_t tracked_number(const struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn)
{
	uint64_t sum = 0;

	for (unsigned int level = TDP_4K; level <= TDP_LEAF_LEVEL_MAX && tracked->words; level++)
		sum += u64_load_acquire(word_of(tracked, address_space, gfn, level));
	return sum;
}

uint64_t tracked_number_of_all(const struct tracked *tracked)
{
	return u64_load_acquire(&tracked->all);
}
