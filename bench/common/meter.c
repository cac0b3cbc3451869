#include "common/meter.h"

#include <string.h>

#include "common/memory.h"

void meter_init(struct meter *meter, const struct guest_options *options, bool accesses)
{
	*meter = (struct meter){.vcpus = options->vcpus};
	if (!accesses || options->no_stalls)
		return;
	meter->stalls = must_calloc(meter->vcpus, sizeof(*meter->stalls));
	/* Touch it now, so that its pages do not count as growth of the guest. */
	memset(meter->stalls, 0, meter->vcpus * sizeof(*meter->stalls));
}

void meter_fini(struct meter *meter)
{
	free(meter->stalls);
	meter->stalls = NULL;
}

void meter_begin(struct meter *meter, const struct guest *guest)
{
	meter->guest = guest;
	tdp_vm_stats(guest->vm, &meter->before);
	for (unsigned int i = 0; meter->stalls && i < meter->vcpus; i++)
		tdp_vcpu_time_stalls(guest->vcpus[i], &meter->stalls[i]);
}

static struct stall stall_of_all(struct meter *meter)
{
	struct tdp_histogram *all = &meter->stalls[0];
	struct stall stall;

	for (unsigned int i = 1; i < meter->vcpus; i++) {
		if (!meter->stalls[i].count)
			continue;
		tdp_histogram_merge(all, &meter->stalls[i]);
		meter->stalls[i] = (struct tdp_histogram){0};
	}
	stall = stall_of(all);
	*all = (struct tdp_histogram){0};
	return stall;
}

void meter_end(struct meter *meter, struct phase *phase)
{
	struct tdp_stats after;

	tdp_vm_stats(meter->guest->vm, &after);
	phase->counted = stats_between(&meter->before, &after);
	meter->before = after;
	if (meter->stalls)
		phase->stall = stall_of_all(meter);
}
