/* Counting ageings for the checker. See tracked.h. */
#include "mmu/tracked.h"

#include <errno.h>

#include "host/host.h"

#define COUNTS	   4096 /* a power of two */
#define COUNT_BITS 12

int tracked_init(struct tracked *tracked, struct tdp_host *host)
{
	tracked->counts = host_allocate(host, COUNTS * sizeof(*tracked->counts));
	return tracked->counts ? 0 : -ENOMEM;
}

void tracked_fini(struct tracked *tracked, struct tdp_host *host)
{
	if (tracked->counts)
		host_release(host, tracked->counts, COUNTS * sizeof(*tracked->counts));
}

/* Fibonacci hashing; frames are numbered by leaves of their level. */
static struct tracked_count *count_of(const struct tracked *tracked, unsigned int address_space,
				      tdp_gfn_t gfn, unsigned int level)
{
	uint64_t leaf = gfn.n / tdp_level_pages(level) << 3 | level << 1 | address_space;

	return &tracked->counts[leaf * 0x9e3779b97f4a7c15ULL >> (64 - COUNT_BITS)];
}

void tracked_begin(struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn,
		   unsigned int level)
{
	if (!tracked->counts)
		return;
	u64_add_acq_rel(&count_of(tracked, address_space, gfn, level)->begun, 1);
	u64_add_acq_rel(&tracked->all.begun, 1);
}

void tracked_end(struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn,
		 unsigned int level)
{
	if (!tracked->counts)
		return;
	u64_add_acq_rel(&count_of(tracked, address_space, gfn, level)->ended, 1);
	u64_add_acq_rel(&tracked->all.ended, 1);
}

uint64_t tracked_ended(const struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn)
{
	uint64_t sum = 0;

	for (unsigned int level = TDP_4K; level <= TDP_LEAF_LEVEL_MAX && tracked->counts; level++)
		sum += u64_load_acquire(&count_of(tracked, address_space, gfn, level)->ended);
	return sum;
}

uint64_t tracked_begun(const struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn)
{
	uint64_t sum = 0;

	for (unsigned int level = TDP_4K; level <= TDP_LEAF_LEVEL_MAX && tracked->counts; level++)
		sum += u64_load_acquire(&count_of(tracked, address_space, gfn, level)->begun);
	return sum;
}
