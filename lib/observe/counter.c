/*
 * Sums counters and gauges into the public statistics. Every function adds to the fields as
 * they are, so that a caller visits its vCPUs once, in any order.
 */
#include "observe/counter.h"

void counters_add_to(const struct counters *counters, struct tdp_stats *stats)
{
	stats->pf_taken += counters_taken(counters);
	stats->pf_fixed += counters_fixed(counters);
	stats->pf_emulate += counter_read(&counters->pf_emulate);
	stats->pf_spurious += counter_read(&counters->pf_spurious);
	stats->pf_fast += counter_read(&counters->pf_fast);
	stats->pf_mmio_spte_created += counter_read(&counters->pf_mmio_spte_created);
	stats->tlb_flush += counter_read(&counters->tlb_flush);
	stats->exits += counters_exits(counters);
	stats->retries += counter_read(&counters->retries);
	stats->errors += counter_read(&counters->errors);
	stats->tlb_hits += counter_read(&counters->tlb_hits);
	stats->tlb_misses += counter_read(&counters->tlb_misses);
	stats->accesses += counter_read(&counters->accesses);
}

static int64_t *gauge_field(struct tdp_stats *stats, enum gauge which)
{
	switch (which) {
	case GAUGE_PAGES_4K:
		return &stats->pages_4k;
	case GAUGE_PAGES_2M:
		return &stats->pages_2m;
	case GAUGE_PAGES_1G:
		return &stats->pages_1g;
	case GAUGE_NX_LPAGE_SPLITS:
		return &stats->nx_lpage_splits;
	case GAUGE_TABLES:
	default:
		return &stats->tables;
	}
}

void gauges_add_to(const struct gauges *gauges, struct tdp_stats *stats)
{
	for (unsigned int i = 0; i < GAUGES; i++)
		*gauge_field(stats, (enum gauge)i) += (int64_t)tally_read(&gauges->word[i]);
}

void gauge_deltas_add_to(const struct gauge_deltas *deltas, struct tdp_stats *stats)
{
	for (unsigned int i = 0; i < GAUGES; i++)
		*gauge_field(stats, (enum gauge)i) += (int64_t)counter_read(&deltas->delta[i]);
}
