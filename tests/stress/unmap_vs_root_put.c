/*
 * The host invalidates a slot that spans several entries of the root, so that the unmap
 * yields even in a root that is empty by then, while vCPUs drop the last references to
 * invalidated roots. A walk that yields has its own reference to the root (Z3 of
 * lib/mmu/zap.h), or the root would be freed under it.
 */
#include <errno.h>

#include "stress/stage/stress.h"

#define FIRST  0x1000
#define APART  (1ULL << 27) /* what an entry of level 4 spans */
#define PLACES 3
#define PAGES  ((PLACES - 1) * APART + 0x1000)
#define HVA    (1ULL << 45)

static int resolve(void *context, void *caller, uint64_t hva, bool write,
		   struct tdp_backing_page *page)
{
	const struct stress *stress = context;

	(void)caller;
	(void)write;
	*page = (struct tdp_backing_page){
		.pfn = tdp_pfn(tdp_host_carveout(stress->host).n + (hva >> TDP_PAGE_SHIFT) % 8),
		.writable = true,
	};
	return 0;
}

static unsigned int level(void *context, uint64_t hva)
{
	(void)context;
	(void)hva;
	return TDP_4K;
}

static int peek(void *context, uint64_t hva, struct tdp_backing_page *page)
{
	return resolve(context, NULL, hva, false, page);
}

static int visit(struct player *player)
{
	int err = 0;

	while (!err && player_goes_on(player)) {
		uint64_t gfn =
			FIRST + player_below(player, PLACES) * APART + player_below(player, 4);
		struct tdp_access_result result;

		err = player_access(player, gfn << TDP_PAGE_SHIFT, TDP_READ, NULL, 0, &result);
	}
	return err;
}

static int invalidate_memory(struct player *player)
{
	uint64_t past = HVA + (PAGES << TDP_PAGE_SHIFT);

	while (player_goes_on(player)) {
		tdp_host_invalidate_begin(player->stress->host, HVA, past);
		tdp_host_invalidate_end(player->stress->host, HVA, past);
		player_delay(player, 10);
	}
	return 0;
}

static int invalidate_roots(struct player *player)
{
	while (player_goes_on(player)) {
		tdp_mmu_zap_all_fast(player->stress->vm);
		player_delay(player, 10);
	}
	return 0;
}

static int set_up(struct stress *stress)
{
	static const struct tdp_backing_ops ops = {
		.resolve = resolve, .level = level, .peek = peek};
	struct tdp_backing *backing = stress_allocate(stress, sizeof(*backing));
	int err;

	if (!backing)
		return -ENOMEM;
	*backing = (struct tdp_backing){
		.ops = &ops, .context = stress, .hva = HVA, .bytes = PAGES << TDP_PAGE_SHIFT};
	err = stress_slot(stress, 0, 0, tdp_gfn(FIRST), PAGES, backing, false);
	if (err)
		return err;
	stress_cast_vcpus(stress, visit, NULL);
	stress_cast(stress, "memory invalidator", invalidate_memory, NULL, 1);
	return stress_cast(stress, "root invalidator", invalidate_roots, NULL, 1);
}

const struct scenario scenario_unmap_vs_root_put = {
	.name = "unmap_vs_root_put",
	.what = "an unmap yields in a root whose last reference is put",
	.vcpus = 2,
	.table_bytes = 16 << 20,
	.set_up = set_up,
};
