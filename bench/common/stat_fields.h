/*
 * The fields of struct tdp_stats, by name, for reports of phases and runs.
 */
#ifndef BENCH_STAT_FIELDS_H
#define BENCH_STAT_FIELDS_H

#include <stdbool.h>

#include <tdpsim/stats.h>

struct stat_field {
	const char *name;
	size_t offset;
	bool gauge;	/* a gauge, not a counter */
	bool in_phases; /* reported for each phase */
};

#define STAT_FIELDS (sizeof(struct tdp_stats) / sizeof(uint64_t)) /* of 64 bits */

extern const struct stat_field stat_fields[]; /* STAT_FIELDS of them */

int64_t stat_read(const struct tdp_stats *stats, const struct stat_field *field);

/* The counts between `before` and `after`; gauges are those of `after`. */
struct tdp_stats stats_between(const struct tdp_stats *before, const struct tdp_stats *after);

/* Adds the counts of `later`; gauges are those of `later`. */
void stats_add(struct tdp_stats *counted, const struct tdp_stats *later);

#endif
