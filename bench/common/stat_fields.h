/*
 * The fields of struct tdp_stats, so that each is reported and told apart by phases
 * under its own name.
 */
#ifndef BENCH_STAT_FIELDS_H
#define BENCH_STAT_FIELDS_H

#include <stdbool.h>

#include <tdpsim/stats.h>

struct stat_field {
	const char *name;
	size_t offset;
	bool gauge;	/* goes up and down */
	bool in_phases; /* each phase shows its own */
};

#define STAT_FIELDS (sizeof(struct tdp_stats) / sizeof(uint64_t)) /* all are of 64 bits */

extern const struct stat_field stat_fields[]; /* STAT_FIELDS of them */

int64_t stat_read(const struct tdp_stats *stats, const struct stat_field *field);

/* What was counted from `before` to `after`; the gauges are those of `after`. */
struct tdp_stats stats_between(const struct tdp_stats *before, const struct tdp_stats *after);

/* Adds what was counted later; the gauges are those of `later`. */
void stats_add(struct tdp_stats *counted, const struct tdp_stats *later);

#endif
