/*
 * Checks a vCPU's TLB and paging-structure cache: after the flush that was owed, no entry
 * allows more than the tables do. The check uses the hardware's walk, which shares no code
 * with the flushers.
 *
 * No entry may come from a root other than the loaded one. Roots are dropped and freed
 * without a flush, because loading a root flushes, and a freed frame may become a root
 * again. The check skips a vCPU that will empty its caches before its next attempt:
 * because a flush or a request is pending, or because it has no root.
 */
#include <inttypes.h>

#include "check/checker.h"
#include "vm/watch.h"

struct tlb_check {
	struct checker *checker;
	const struct tdp_vcpu *vcpu;
};

static void stale(struct tlb_check *check, const struct tlb_entry *entry, const char *reason)
{
	char history[HISTORY_BYTES];

	history_describe(&check->checker->mmu->checks.history, check->vcpu->smm ? 1 : 0, entry->gfn,
			 history);
	violation(check->checker, TDP_INVARIANT_TLB,
		  "vCPU %u, TLB entry for 0x%" PRIx64 " (gfn 0x%" PRIx64 " to pfn 0x%" PRIx64
		  ", rights 0x%x): %s%s",
		  check->vcpu->id, entry->page << TDP_PAGE_SHIFT, entry->gfn.n, entry->pfn.n,
		  entry->rights, reason, history);
}

static bool check_tlb_entry(const struct tlb_entry *entry, void *context)
{
	struct tlb_check *check = context;
	const char *reason;

	if (entry->root != check->vcpu->context.root.pfn.n)
		reason = "it comes from a root that is not loaded any more";
	else
		reason = watch_entry(check->vcpu, entry);
	if (reason)
		stale(check, entry, reason);
	return true;
}

/* The bits of an entry that grant rights. */
static uint64_t granting_bits(const struct walker *walker)
{
	uint64_t bits = 0;

	for (unsigned int right = 0; right < WALK_RIGHTS; right++)
		bits |= walker->need[right];
	return bits;
}

/* Descends to the table at `level` as the hardware would without a paging-structure cache. */
static bool find_table(const struct tdp_vcpu *vcpu, uint64_t gfn, unsigned int level,
		       uint64_t *table, uint64_t *rights)
{
	const struct walker *walker = vcpu->walker;
	tdp_pfn_t at = vcpu->context.root.pfn;

	*rights = ~0ULL;
	for (unsigned int i = walker->config.levels; i > level; i--) {
		const atomic_u64 *entries = frame_address(walker->host, at);
		uint64_t entry = u64_load_relaxed(&entries[entry_index(gfn, i)]);

		if (!walker_is_present(walker, entry) || walker_is_leaf(walker, entry, i) ||
		    entry_pfn(entry).n >= walker->host->table_frames)
			return false;
		*rights &= entry ^ walker->forbidding;
		at = entry_pfn(entry);
	}
	*table = at.n;
	return true;
}

static void check_structure(struct checker *checker, const struct tdp_vcpu *vcpu,
			    const struct walk_cache_entry *entry, unsigned int level)
{
	uint64_t table, rights, gfn = entry->region << (9 * level);
	const char *reason = NULL;

	if (entry->root != vcpu->context.root.pfn.n)
		reason = "it comes from a root that is not loaded any more";
	else if (!find_table(vcpu, gfn, level, &table, &rights))
		reason = "the tables link no table there any more";
	else if (table != entry->table)
		reason = "the tables link another table there";
	else if (entry->rights & ~rights & granting_bits(vcpu->walker))
		reason = "the entries above it allow less";
	if (reason)
		violation(checker, TDP_INVARIANT_TLB,
			  "vCPU %u, cached table 0x%" PRIx64 " of level %u for gfn 0x%" PRIx64
			  ": %s",
			  vcpu->id, entry->table, level, gfn, reason);
}

static void check_structures(struct checker *checker, const struct tdp_vcpu *vcpu)
{
	const struct walk_cache *cache = &vcpu->context.tlb.structures;

	for (unsigned int level = 1; level <= WALK_CACHE_LEVELS && !cache->empty; level++)
		for (unsigned int way = 0; way < WALK_CACHE_WAYS; way++) {
			const struct walk_cache_entry *entry = &cache->entries[level - 1][way];

			if (entry->epoch == cache->epoch)
				check_structure(checker, vcpu, entry, level);
		}
}

void check_tlb(struct checker *checker, const struct tdp_vcpu *vcpu)
{
	struct tlb_check check = {checker, vcpu};

	if (watch_will_flush(vcpu))
		return;
	tlb_visit(&vcpu->context.tlb, check_tlb_entry, &check);
	check_structures(checker, vcpu);
}
