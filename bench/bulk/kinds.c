#include "bulk/kinds.h"

#include <stdlib.h>
#include <string.h>

static const struct kind none[KINDS] = {
	[SPLIT] = {.name = "split", .per = "page", .limit = "seq_plain_store"},
	[CLEAR] = {.name = "clear", .per = "page", .limit = "seq_exchange"},
	[RECOVER] = {.name = "recover", .per = "page", .limit = "seq_exchange"},
	[PROTECT] = {.name = "protect", .per = "page", .limit = "seq_exchange"},
	[FAST] = {.name = "fast", .per = "fault", .limit = "realistic_seq"},
	[GET] = {.name = "get", .per = "page", .limit = "seq_exchange"},
	[AGE] = {.name = "age", .per = "page", .limit = "seq_exchange"},
};

void kinds_init(struct kind kinds[KINDS])
{
	memcpy(kinds, none, sizeof(none));
}

void kinds_add(struct run *run, enum kind_id id, uint64_t ns, uint64_t cpu_ns,
	       const struct tdp_stats *before)
{
	struct kind *kind = &run->kinds[id];
	struct tdp_stats after, counted;

	tdp_vm_stats(run->guest->vm, &after);
	counted = stats_between(before, &after);
	stats_add(&kind->counted, &counted);
	kind->cpu_ns[kind->count++] = (double)cpu_ns / (double)run->entries;
	kind->entries += run->entries;
	kind->seconds += (double)ns / 1e9;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static struct phase phase_of(struct kind *kind)
{
	qsort(kind->cpu_ns, kind->count, sizeof(kind->cpu_ns[0]), by_size);
	return (struct phase){
		.name = kind->name,
		.seconds = kind->seconds,
		.accesses = kind->entries,
		.faults = kind->faults,
		.bytes = kind->entries << TDP_PAGE_SHIFT,
		.counted = kind->counted,
		.per = kind->per,
		.cpu_ns = kind->cpu_ns[(kind->count - 1) / 2],
		.limit = kind->limit,
	};
}

void kinds_report(struct run *run)
{
	for (size_t i = 0; i < KINDS; i++)
		if (run->kinds[i].count)
			measurement_phase(run->measurement, phase_of(&run->kinds[i]));
}
