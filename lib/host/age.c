/* Ages of data frames. See age.h. */
#include "host/age.h"

#include <errno.h>

#include "host/window.h"

#define AGE_SHIFT(level) (9 * ((level)-1))

static uint64_t ages_bytes(const struct tdp_host *host, unsigned int level)
{
	return ((host->frames >> AGE_SHIFT(level)) + 1) * sizeof(atomic_u32);
}

int ages_init(struct tdp_host *host)
{
	if (!host->config.check)
		return 0;
	for (unsigned int level = TDP_4K; level <= TDP_1G; level++) {
		host->ages[level - 1] = window_map(ages_bytes(host, level));
		if (!host->ages[level - 1])
			return -ENOMEM;
	}
	return 0;
}

void ages_fini(struct tdp_host *host)
{
	for (unsigned int level = TDP_4K; level <= TDP_1G; level++)
		window_unmap(host->ages[level - 1], ages_bytes(host, level));
}

static atomic_u32 *age_at(const struct tdp_host *host, tdp_pfn_t pfn, unsigned int level)
{
	return &host->ages[level - 1][pfn.n >> AGE_SHIFT(level)];
}

void age_changed(struct tdp_host *host, tdp_pfn_t pfn, unsigned int level)
{
	if (host->config.check)
		u32_add_relaxed(age_at(host, pfn, level), 1);
}

void age_discarded(struct tdp_host *host, tdp_pfn_t pfn)
{
	if (host->config.check)
		u32_add_relaxed(age_at(host, pfn, TDP_4K), 2);
}

uint64_t frame_age(const struct tdp_host *host, tdp_pfn_t pfn)
{
	uint64_t age = 0;

	for (unsigned int level = TDP_4K; level <= TDP_1G; level++)
		age += u32_load_relaxed(age_at(host, pfn, level));
	return age;
}

bool frame_is_out(const struct tdp_host *host, tdp_pfn_t pfn)
{
	uint64_t first = host->data_first + host->config.carveout_bytes / TDP_PAGE_SIZE;
	uint32_t out = 0;

	if (pfn.n < first || pfn.n >= host->frames)
		return true;
	for (unsigned int level = TDP_4K; level <= TDP_1G; level++)
		out |= u32_load_relaxed(age_at(host, pfn, level));
	return out & 1;
}
