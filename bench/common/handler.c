#include "common/handler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cast.h"
#include "common/permute.h"
#include "common/status.h"

#define STOP_CHECK_EVERY 64 /* pages between two checks of the flag that ends the run */

/*
 * Exits of a CPU in 64-bit mode on the address that a linear one translates to:
 * EXITINFO1, user (APM vol. 2, 15.25.6), and a qualification with a valid linear
 * address that is no table's (SDM vol. 3, table 28-7).
 */
#define NPT_EXIT     (1ULL << 32 | 1ULL << 2)
#define NPT_WRITE    (1ULL << 1)
#define NPT_PRESENT  (1ULL << 0)
#define EPT_EXIT     0x180ULL
#define EPT_READ     (1ULL << 0)
#define EPT_WRITE    (1ULL << 1)
#define EPT_READABLE (1ULL << 3)

static uint64_t error_code_of(const struct handler *handler)
{
	const struct guest_options *options = &handler->guest->options;
	bool write = options->write_percent > 0;

	if (options->format == TDP_NPT)
		return NPT_EXIT | (write ? NPT_WRITE : 0) | (handler->present ? NPT_PRESENT : 0);
	return EPT_EXIT | (write ? EPT_WRITE : EPT_READ) | (handler->present ? EPT_READABLE : 0);
}

int handler_init(struct handler *handler, const struct guest *guest, unsigned int vcpu)
{
	const struct guest_options *options = &guest->options;
	uint64_t pages = guest_vcpu_pages(options);
	struct permutation permutation =
		permutation_of(pages, mix64(options->seed + (uint64_t)vcpu * 0x10001));

	*handler = (struct handler){.guest = guest, .vcpu = vcpu};
	if (options->order == GUEST_SEQUENTIAL)
		return 0;
	handler->order = pages <= UINT32_MAX ? calloc(pages, sizeof(*handler->order)) : NULL;
	if (!handler->order)
		return -ENOMEM;
	for (uint64_t i = 0; i < pages; i++)
		handler->order[i] = (uint32_t)permute(&permutation, i);
	return 0;
}

void handler_fini(struct handler *handler)
{
	free(handler->order);
	handler->order = NULL;
}

/* Retries until the fault has a result. The root may have been invalidated meanwhile. */
static int again(struct tdp_vcpu *vcpu, const struct tdp_fault *fault, struct handler_pass *pass,
		 enum tdp_fault_result *result)
{
	unsigned int rounds = 0;
	int err = 0;

	while (!err && *result == TDP_FAULT_RETRY) {
		tdp_pause(&rounds);
		err = tdp_vcpu_load_root(vcpu);
		if (!err)
			err = tdp_vcpu_fault(vcpu, fault, result);
		pass->faults++;
	}
	if (!err && *result != TDP_FAULT_FIXED && *result != TDP_FAULT_SPURIOUS)
		return -EFAULT;
	return err;
}

static int fault_each(const struct handler *handler, const struct tdp_flag *stop,
		      struct handler_pass *pass)
{
	const struct guest_options *options = &handler->guest->options;
	struct tdp_vcpu *vcpu = handler->guest->vcpus[handler->vcpu];
	uint64_t page = tdp_level_bytes(options->backing), pages = guest_vcpu_pages(options);
	uint64_t base = guest_vcpu_address(options, handler->vcpu);
	struct tdp_fault fault = {.error_code = error_code_of(handler)};
	enum tdp_fault_result result;

	for (uint64_t i = 0; i < pages; i++) {
		int err;

		if (i % STOP_CHECK_EVERY == 0 && tdp_flag_raised(stop))
			return 0;
		fault.gpa = base + (handler->order ? handler->order[i] : i) * page;
		err = tdp_vcpu_fault(vcpu, &fault, &result);
		pass->faults++;
		if (!err && result != TDP_FAULT_FIXED)
			err = again(vcpu, &fault, pass, &result);
		if (err)
			return err;
		pass->pages++;
	}
	return 0;
}

int handler_run(const struct handler *handler, const struct tdp_flag *stop,
		struct handler_pass *pass)
{
	struct handler_pass mine = {.ready = tdp_clock_now()};
	uint64_t cpu = tdp_clock_cpu_now();
	int err = fault_each(handler, stop, &mine);

	mine.cpu_ns = tdp_clock_cpu_now() - cpu;
	mine.finished = tdp_clock_now();
	*pass = mine;
	return err;
}

void handler_add(struct handler_pass *total, const struct handler_pass *pass)
{
	/* All vCPUs start at once, so the first one to run has the start; others may wait for a
	 * CPU. */
	if (!total->finished || pass->ready < total->ready)
		total->ready = pass->ready;
	total->finished = pass->finished > total->finished ? pass->finished : total->finished;
	total->cpu_ns += pass->cpu_ns;
	total->pages += pass->pages;
	total->faults += pass->faults;
}

/* One vCPU that faults in its pages. */
struct populating {
	struct handler handler;
	const struct tdp_flag *stop;
	struct handler_pass pass;
};

static int populate_body(struct tdp_actor *self, void *arg)
{
	struct populating *populating = arg;
	const struct handler *handler = &populating->handler;
	int err = tdp_vcpu_load_root(handler->guest->vcpus[handler->vcpu]);

	(void)self;
	return err ? err : handler_run(handler, populating->stop, &populating->pass);
}

static int populate_with(const struct guest *guest, const struct tdp_flag *stop, bool present,
			 struct populating *populating, struct tdp_actor_config *actors)
{
	const struct guest_options *options = &guest->options;

	for (unsigned int i = 0; i < options->vcpus; i++) {
		int err = handler_init(&populating[i].handler, guest, i);

		if (err)
			return err;
		populating[i].handler.present = present;
		populating[i].stop = stop;
		actors[i] = cast_actor(options, i, "vcpu", populate_body, &populating[i]);
	}
	return cast_run(actors, options->vcpus);
}

static int populate(const struct guest *guest, const struct tdp_flag *stop, bool present,
		    struct handler_pass *total)
{
	unsigned int vcpus = guest->options.vcpus;
	struct populating *populating = calloc(vcpus, sizeof(*populating));
	struct tdp_actor_config *actors = calloc(vcpus, sizeof(*actors));
	int err = -ENOMEM;

	if (populating && actors)
		err = populate_with(guest, stop, present, populating, actors);
	if (err)
		complain("cannot fault in the memory of the guest: %s", strerror(-err));
	for (unsigned int i = 0; populating && i < vcpus; i++) {
		handler_add(total, &populating[i].pass);
		handler_fini(&populating[i].handler);
	}
	free(actors);
	free(populating);
	return err;
}

int handler_populate(const struct guest *guest, const struct tdp_flag *stop,
		     struct handler_pass *total)
{
	return populate(guest, stop, false, total);
}

int handler_unprotect(const struct guest *guest, const struct tdp_flag *stop,
		      struct handler_pass *total)
{
	return populate(guest, stop, true, total);
}
