/* The last changes of entries. See history.h. */
#include "mmu/history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "host/host.h"

#define RECORDS	  4096 /* a power of two */
#define DESCRIBED 3    /* at most, of one frame */

/* Layout of `where`. */
#define LEVEL_SHIFT 44
#define SPACE_SHIFT 48
#define VCPU_SHIFT  50 /* plus one; 0: a task */
#define GFN_MASK    ((1ULL << LEVEL_SHIFT) - 1)

int history_init(struct history *history, struct tdp_host *host)
{
	u64_init(&history->written, 0);
	history->records = host_allocate(host, RECORDS * sizeof(*history->records));
	return history->records ? 0 : -ENOMEM;
}

void history_fini(struct history *history, struct tdp_host *host)
{
	host_release(host, history->records, RECORDS * sizeof(*history->records));
}

void history_add(struct history *history, const struct change_record *change)
{
	uint64_t turn = u64_add_relaxed(&history->written, 1);
	struct history_record *record = &history->records[turn % RECORDS];

	u64_store_relaxed(&record->where, change->gfn.n | (uint64_t)change->level << LEVEL_SHIFT |
						  (uint64_t)change->address_space << SPACE_SHIFT |
						  (uint64_t)(change->vcpu + 1) << VCPU_SHIFT);
	u64_store_relaxed(&record->old, change->old);
	u64_store_relaxed(&record->new, change->new);
}

static struct change_record read_record(const struct history_record *record)
{
	uint64_t where = u64_load_relaxed(&record->where);

	return (struct change_record){
		.gfn = tdp_gfn(where & GFN_MASK),
		.level = where >> LEVEL_SHIFT & 7,
		.address_space = where >> SPACE_SHIFT & 3,
		.vcpu = (int)(where >> VCPU_SHIFT) - 1,
		.old = u64_load_relaxed(&record->old),
		.new = u64_load_relaxed(&record->new),
	};
}

static bool concerns(const struct change_record *change, unsigned int address_space, tdp_gfn_t gfn)
{
	return change->level && change->address_space == address_space &&
	       gfn.n - change->gfn.n < tdp_level_pages(change->level);
}

static int print_change(char *words, size_t bytes, const struct change_record *change, uint64_t ago)
{
	char who[24] = "a task";

	if (change->vcpu >= 0)
		snprintf(who, sizeof(who), "vCPU %d", change->vcpu);
	return snprintf(words, bytes,
			"; change -%" PRIu64 ": %s made 0x%" PRIx64 " of 0x%" PRIx64 " at level %u",
			ago, who, change->new, change->old, change->level);
}

void history_describe(const struct history *history, unsigned int address_space, tdp_gfn_t gfn,
		      char words[HISTORY_BYTES])
{
	uint64_t written = u64_load_relaxed(&history->written);
	size_t used = 0;
	int described = 0;

	words[0] = 0;
	if (!history->records)
		return;
	for (uint64_t ago = 1; ago <= written && ago <= RECORDS && described < DESCRIBED; ago++) {
		struct change_record change =
			read_record(&history->records[(written - ago) % RECORDS]);

		if (!concerns(&change, address_space, gfn))
			continue;
		described++;
		used += (size_t)print_change(words + used, HISTORY_BYTES - used, &change, ago);
		if (used >= HISTORY_BYTES)
			return;
	}
}
