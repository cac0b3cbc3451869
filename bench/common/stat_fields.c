#include "common/stat_fields.h"

#include <string.h>

#define FIELD(field, gauge, in_phases)                                                             \
	{                                                                                          \
#field, offsetof(struct tdp_stats, field), gauge, in_phases                        \
	}

const struct stat_field stat_fields[] = {
	FIELD(pages_4k, true, true),
	FIELD(pages_2m, true, true),
	FIELD(pages_1g, true, true),
	FIELD(nx_lpage_splits, true, true),
	FIELD(tables, true, false),
	FIELD(remote_tlb_flush_requests, false, false),
	FIELD(remote_tlb_flush, false, true),
	FIELD(pf_taken, false, true),
	FIELD(pf_fixed, false, true),
	FIELD(pf_emulate, false, true),
	FIELD(pf_spurious, false, true),
	FIELD(pf_fast, false, true),
	FIELD(pf_mmio_spte_created, false, false),
	FIELD(tlb_flush, false, false),
	FIELD(exits, false, true),
	FIELD(retries, false, true),
	FIELD(errors, false, true),
	FIELD(tlb_hits, false, false),
	FIELD(tlb_misses, false, false),
	FIELD(accesses, false, false),
};

_Static_assert(sizeof(stat_fields) / sizeof(stat_fields[0]) == STAT_FIELDS,
	       "a statistic is not reported");

int64_t stat_read(const struct tdp_stats *stats, const struct stat_field *field)
{
	int64_t value;

	memcpy(&value, (const char *)stats + field->offset, sizeof(value));
	return value;
}

struct tdp_stats stats_between(const struct tdp_stats *before, const struct tdp_stats *after)
{
	struct tdp_stats between = *after;

	for (size_t i = 0; i < STAT_FIELDS; i++) {
		const struct stat_field *field = &stat_fields[i];
		int64_t grown = stat_read(after, field) - stat_read(before, field);

		if (!field->gauge)
			memcpy((char *)&between + field->offset, &grown, sizeof(grown));
	}
	return between;
}

void stats_add(struct tdp_stats *counted, const struct tdp_stats *later)
{
	for (size_t i = 0; i < STAT_FIELDS; i++) {
		const struct stat_field *field = &stat_fields[i];
		int64_t sum = stat_read(later, field);

		if (!field->gauge)
			sum += stat_read(counted, field);
		memcpy((char *)counted + field->offset, &sum, sizeof(sum));
	}
}
