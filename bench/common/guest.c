#include "common/guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/status.h"

#define GIGA ((uint64_t)1 << 30)

static void report(void *context, const char *sentence)
{
	(void)context;
	complain("%s", sentence);
}

static int make_host(struct guest *guest)
{
	const struct guest_options *options = &guest->options;
	struct tdp_host_config config = {
		/* A spare gigabyte, because the backings round their sizes up. */
		.memory_bytes = (options->guest_memory / GIGA + 2) * GIGA,
		.check = options->check,
		.allocator = allocator_hook(&guest->allocator),
		.report = report,
	};

	return tdp_host_create(&config, &guest->host);
}

static int make_memory(struct guest *guest)
{
	const struct guest_options *options = &guest->options;
	struct tdp_anon_config config = {
		.bytes = options->guest_memory,
		.page = options->backing,
		.policy = options->allocate,
	};

	return tdp_anon_create(guest->host, &config, &guest->memory);
}

static int make_vm(struct guest *guest, tdp_trace_sink trace, void *trace_context)
{
	const struct guest_options *options = &guest->options;
	struct tdp_vm_config config = {
		.format = options->format,
		.levels = options->levels,
		.no_ad = options->ad == TDP_OFF,
		.baseline = options->baseline,
		.policy = &options->policy,
		.check = options->check,
		.manual_protect = options->manual_protect,
		.dirty_ring = options->dirty_ring,
		.trace = trace,
		.trace_context = trace_context,
	};
	int err = tdp_vm_create(guest->host, &config, &guest->vm);

	if (!err)
		guest->options.policy = *tdp_vm_policy(guest->vm);
	return err;
}

/* Adjacent slots of equal size, in whole backing pages; the last ones have the remainder. */
struct tdp_memslot guest_slot(const struct guest *guest, unsigned int i)
{
	const struct guest_options *options = &guest->options;
	const struct tdp_backing *backing = tdp_anon_backing(guest->memory);
	uint64_t page = tdp_level_bytes(options->backing);
	uint64_t all = options->guest_memory / page, each = all / options->slots;
	uint64_t larger = all % options->slots, smaller = options->slots - larger;
	uint64_t begin = i * each + (i > smaller ? i - smaller : 0);

	return (struct tdp_memslot){
		.id = i + 1,
		.gfn = tdp_gfn((GUEST_BASE + begin * page) >> TDP_PAGE_SHIFT),
		.pages = (each + (i >= smaller)) * (page >> TDP_PAGE_SHIFT),
		.backing = backing,
		.hva = backing->hva + begin * page,
	};
}

static int make_slots(struct guest *guest)
{
	for (unsigned int i = 0; i < guest->options.slots; i++) {
		struct tdp_memslot slot = guest_slot(guest, i);
		int err = tdp_vm_set_memslot(guest->vm, &slot);

		if (err)
			return err;
	}
	return 0;
}

static int make_vcpus(struct guest *guest)
{
	guest->vcpus = calloc(guest->options.vcpus, sizeof(*guest->vcpus));
	if (!guest->vcpus)
		return -ENOMEM;
	for (unsigned int i = 0; i < guest->options.vcpus; i++) {
		int err = tdp_vcpu_create(guest->vm, NULL, &guest->vcpus[i]);

		if (err)
			return err;
	}
	return 0;
}

int guest_init(struct guest *guest, const struct guest_options *options, tdp_trace_sink trace,
	       void *trace_context)
{
	const char *what;
	int err;

	*guest = (struct guest){.options = *options};
	allocator_init(&guest->allocator);
	what = "the host";
	err = make_host(guest);
	if (err)
		goto fail;
	what = "the guest's memory";
	err = make_memory(guest);
	if (err)
		goto fail;
	guest->resident_before = resident_bytes();
	what = "the VM";
	err = make_vm(guest, trace, trace_context);
	if (err)
		goto fail;
	what = "the memory slots";
	err = make_slots(guest);
	if (err)
		goto fail;
	what = "the vCPUs";
	err = make_vcpus(guest);
	if (err)
		goto fail;
	return 0;
fail:
	complain("cannot make %s: %s", what, strerror(-err));
	/* This machine cannot map so large a host: the options ask for too much. */
	if (!guest->host && err == -ENOMEM)
		err = -EOPNOTSUPP;
	guest_fini(guest);
	return err;
}

void guest_fini(struct guest *guest)
{
	free(guest->vcpus);
	tdp_vm_destroy(guest->vm);
	tdp_anon_destroy(guest->memory);
	tdp_host_destroy(guest->host);
	allocator_fini(&guest->allocator);
	*guest = (struct guest){0};
}

const char *guest_outcome(enum tdp_outcome outcome)
{
	switch (outcome) {
	case TDP_ACCESS_DONE:
		return "no memory, or a bad argument";
	case TDP_ACCESS_MMIO:
		return "no slot there";
	case TDP_ACCESS_GUEST_FAULT:
		return "refused by the guest's tables";
	case TDP_ACCESS_REFUSED:
		return "refused by the host";
	case TDP_ACCESS_RING_FULL:
		return "its dirty ring is full";
	case TDP_ACCESS_FAULT:
		break;
	}
	return "a fault that was not handled";
}
