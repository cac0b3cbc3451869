#include "bulk/pass.h"

#include <errno.h>

#include "bulk/kinds.h"
#include "common/cast.h"
#include "common/handler.h"
#include "common/memory.h"

#define STOP_CHECK_EVERY 64 /* pages between two checks of the flag that ends the run */

typedef int pass_body(struct run *run);

/* An actor makes a pass, so that its CPU time is that of the pass alone. */
struct timed {
	struct run *run;
	pass_body *body;
	uint64_t ns, cpu_ns;
};

static int timed_body(struct tdp_actor *self, void *arg)
{
	struct timed *timed = arg;
	uint64_t begun = tdp_clock_now(), cpu = tdp_clock_cpu_now();
	int err = timed->body(timed->run);

	(void)self;
	timed->cpu_ns = tdp_clock_cpu_now() - cpu;
	timed->ns = tdp_clock_now() - begun;
	return err;
}

static int make_pass(struct run *run, pass_body *body, enum kind_id kind)
{
	struct timed timed = {.run = run, .body = body};
	struct tdp_actor_config actor =
		cast_actor(&run->guest->options, 0, "pass", timed_body, &timed);
	struct tdp_stats before;
	int err;

	tdp_vm_stats(run->guest->vm, &before);
	err = cast_run(&actor, 1);
	if (!err && kind != KINDS)
		kinds_add(run, kind, timed.ns, timed.cpu_ns, &before);
	return err;
}

/* The bodies of the passes */

static int set_logging(struct run *run, bool on)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < run->guest->options.slots; i++) {
		struct tdp_memslot slot = guest_slot(run->guest, i);

		slot.log_dirty = on;
		err = tdp_vm_set_memslot(run->guest->vm, &slot);
	}
	return err;
}

static int begin_logging(struct run *run)
{
	return set_logging(run, true);
}

static int end_logging(struct run *run)
{
	return set_logging(run, false);
}

static int clear_in_all_slots(struct run *run, const uint64_t *bitmap)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < run->guest->options.slots; i++) {
		struct tdp_memslot slot = guest_slot(run->guest, i);

		err = tdp_vm_clear_dirty_log(run->guest->vm, 0, slot.id, 0, slot.pages, bitmap);
	}
	return err;
}

static int clear_regions(struct run *run)
{
	return clear_in_all_slots(run, run->regions);
}

static int clear_all(struct run *run)
{
	return clear_in_all_slots(run, run->all);
}

static int get(struct run *run)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < run->guest->options.slots; i++) {
		struct tdp_memslot slot = guest_slot(run->guest, i);

		err = tdp_vm_get_dirty_log(run->guest->vm, 0, slot.id, run->log,
					   tdp_dirty_log_words(slot.pages));
	}
	return err;
}

static int age(struct run *run)
{
	const struct tdp_backing *backing = tdp_anon_backing(run->guest->memory);

	tdp_host_age(run->guest->host, backing->hva, backing->hva + backing->bytes);
	return 0;
}

int pass_begin_logging(struct run *run, enum kind_id kind)
{
	return make_pass(run, begin_logging, kind);
}

int pass_end_logging(struct run *run, enum kind_id kind)
{
	return make_pass(run, end_logging, kind);
}

int pass_clear_regions(struct run *run, enum kind_id kind)
{
	return make_pass(run, clear_regions, kind);
}

int pass_clear_all(struct run *run, enum kind_id kind)
{
	return make_pass(run, clear_all, kind);
}

int pass_get(struct run *run, enum kind_id kind)
{
	return make_pass(run, get, kind);
}

int pass_age(struct run *run, enum kind_id kind)
{
	return make_pass(run, age, kind);
}

/* Passes of all vCPUs */

int pass_fast_faults(struct run *run)
{
	struct handler_pass pass = {0};
	struct tdp_stats before;
	int err;

	tdp_vm_stats(run->guest->vm, &before);
	err = handler_unprotect(run->guest, run->stop, &pass);
	run->kinds[FAST].faults += pass.faults;
	if (!err && pass.pages == run->entries)
		kinds_add(run, FAST, pass.finished - pass.ready, pass.cpu_ns, &before);
	return err;
}

int pass_populate(struct run *run)
{
	struct handler_pass pass = {0};
	int err = handler_populate(run->guest, run->stop, &pass);

	run->populate = (struct side_work){
		.accesses = run->entries,
		.faults = pass.faults,
		.seconds = (double)(pass.finished - pass.ready) / 1e9,
	};
	return err;
}

struct writer {
	struct run *run;
	unsigned int vcpu;
	uint64_t faults;
};

static int write_body(struct tdp_actor *self, void *arg)
{
	struct writer *writer = arg;
	struct run *run = writer->run;
	const struct guest_options *options = &run->guest->options;
	uint64_t base = guest_vcpu_address(options, writer->vcpu);

	(void)self;
	for (uint64_t page = 0; page < options->bytes >> TDP_PAGE_SHIFT; page++) {
		struct tdp_access_request request = {.address = base + (page << TDP_PAGE_SHIFT),
						     .access = TDP_WRITE};
		struct tdp_access_result result;
		int err;

		if (page % STOP_CHECK_EVERY == 0 && tdp_flag_raised(run->stop))
			return 0;
		err = tdp_vcpu_access(run->guest->vcpus[writer->vcpu], &request, &result);
		if (!err && result.outcome != TDP_ACCESS_DONE)
			err = -EFAULT;
		if (err)
			return err;
		writer->faults += result.faults;
	}
	return 0;
}

int pass_write(struct run *run)
{
	const struct guest_options *options = &run->guest->options;
	struct writer *writers = must_calloc(options->vcpus, sizeof(*writers));
	struct tdp_actor_config *actors = must_calloc(options->vcpus, sizeof(*actors));
	uint64_t begun = tdp_clock_now();
	int err;

	for (unsigned int i = 0; i < options->vcpus; i++) {
		writers[i] = (struct writer){.run = run, .vcpu = i};
		actors[i] = cast_actor(options, i, "vcpu", write_body, &writers[i]);
	}
	err = cast_run(actors, options->vcpus);
	for (unsigned int i = 0; i < options->vcpus; i++)
		run->write.faults += writers[i].faults;
	run->write.accesses += run->entries;
	run->write.seconds += (double)(tdp_clock_now() - begun) / 1e9;
	free(actors);
	free(writers);
	return err;
}
