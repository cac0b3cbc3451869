/*
 * Compares the gauges with the recount that the walk over all trees made, and each vCPU's
 * counters with one another.
 */
#include <inttypes.h>

#include "check/checker.h"
#include "vm/vcpu.h"

static int64_t gauge_value(const struct checker *checker, enum gauge which)
{
	int64_t value = (int64_t)tally_read(&checker->mmu->gauges.word[which]);
	const struct tdp_vcpu *vcpu;

	for (vcpu = vm_first_vcpu(checker->vm); vcpu; vcpu = vcpu->next)
		value += (int64_t)counter_read(&vcpu->context.deltas.delta[which]);
	return value;
}

static void check_gauge(struct checker *checker, enum gauge which, const char *name, int64_t found)
{
	int64_t value = gauge_value(checker, which);

	if (value != found)
		violation(checker, TDP_INVARIANT_COUNT,
			  "%s is %" PRId64 ", a recount finds %" PRId64, name, value, found);
}

static void check_identity(struct checker *checker, const struct tdp_vcpu *vcpu)
{
	const struct counters *c = &vcpu->context.counters;
	uint64_t taken = counters_taken(c);
	uint64_t ended = counters_fixed(c) + counter_read(&c->pf_spurious) +
			 counter_read(&c->pf_emulate) + counter_read(&c->retries) +
			 counter_read(&c->errors);

	if (taken != ended)
		violation(checker, TDP_INVARIANT_COUNT,
			  "vCPU %u took %" PRIu64 " faults, and %" PRIu64 " have ended", vcpu->id,
			  taken, ended);
}

static void check_at_most(struct checker *checker, const struct tdp_vcpu *vcpu, const char *name,
			  uint64_t value, const char *bound_name, uint64_t bound)
{
	if (value > bound)
		violation(checker, TDP_INVARIANT_COUNT,
			  "vCPU %u: %s is %" PRIu64 ", more than %s, %" PRIu64, vcpu->id, name,
			  value, bound_name, bound);
}

static void check_bounds(struct checker *checker, const struct tdp_vcpu *vcpu)
{
	const struct counters *c = &vcpu->context.counters;

	check_at_most(checker, vcpu, "pf_taken", counters_taken(c), "exits", counters_exits(c));
	check_at_most(checker, vcpu, "pf_fast", counter_read(&c->pf_fast), "pf_fixed + pf_spurious",
		      counters_fixed(c) + counter_read(&c->pf_spurious));
}

/* The TLB keeps counts of its own; they must agree with the vCPU's. */
static void check_lookups(struct checker *checker, const struct tdp_vcpu *vcpu)
{
	const struct counters *c = &vcpu->context.counters;
	const struct tlb *tlb = &vcpu->context.tlb;

	if (counter_read(&c->tlb_hits) != tlb->hits || counter_read(&c->tlb_misses) != tlb->misses)
		violation(checker, TDP_INVARIANT_COUNT,
			  "vCPU %u counts %" PRIu64 " hits and %" PRIu64 " misses, its TLB %" PRIu64
			  " and %" PRIu64,
			  vcpu->id, counter_read(&c->tlb_hits), counter_read(&c->tlb_misses),
			  tlb->hits, tlb->misses);
}

/* The MMIO entries that exist were all made by faults: splits and zaps make none. */
static void check_mmio(struct checker *checker)
{
	const struct tdp_vcpu *vcpu;
	uint64_t made = 0;

	for (vcpu = vm_first_vcpu(checker->vm); vcpu; vcpu = vcpu->next)
		made += counter_read(&vcpu->context.counters.pf_mmio_spte_created);
	if (made < checker->mmio_entries)
		violation(checker, TDP_INVARIANT_COUNT,
			  "pf_mmio_spte_created is %" PRIu64 ", but there are %" PRIu64
			  " MMIO entries",
			  made, checker->mmio_entries);
}

static void check_flushes(struct checker *checker)
{
	uint64_t asked = tally_read(&checker->mmu->flush_counts.requests);
	uint64_t made = tally_read(&checker->mmu->flush_counts.made);

	if (made > asked)
		violation(checker, TDP_INVARIANT_COUNT,
			  "remote_tlb_flush is %" PRIu64
			  ", more than remote_tlb_flush_requests, %" PRIu64,
			  made, asked);
}

void check_counts(struct checker *checker)
{
	const struct tdp_vcpu *vcpu;

	check_gauge(checker, GAUGE_PAGES_4K, "pages_4k", checker->leaves[TDP_4K]);
	check_gauge(checker, GAUGE_PAGES_2M, "pages_2m", checker->leaves[TDP_2M]);
	check_gauge(checker, GAUGE_PAGES_1G, "pages_1g", checker->leaves[TDP_1G]);
	check_gauge(checker, GAUGE_TABLES, "tables", checker->tables);
	check_gauge(checker, GAUGE_NX_LPAGE_SPLITS, "nx_lpage_splits",
		    (int64_t)checker->mmu->pages.nx.count);
	for (vcpu = vm_first_vcpu(checker->vm); vcpu; vcpu = vcpu->next) {
		check_identity(checker, vcpu);
		check_bounds(checker, vcpu);
		check_lookups(checker, vcpu);
	}
	check_mmio(checker);
	check_flushes(checker);
}
