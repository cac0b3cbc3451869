#include "machine.h"

#include "log.h"
#include "program.h"
#include "sink.h"
#include "survey.h"

#include <stdio.h>
#include <string.h>

#include <tdpsim/check.h>
#include <tdpsim/vm.h>

#define GIB	   ((uint64_t)1 << 30)
#define MAXPHYADDR 40 /* of both emulators that the captures come from */

static void keep_reason(void *context, const char *sentence)
{
	struct replay *replay = context;

	snprintf(replay->problem.sentence, sizeof(replay->problem.sentence), "%s", sentence);
}

static int create_host(struct replay *replay)
{
	struct tdp_host_config config = {.size = sizeof(config), .maxphyaddr = MAXPHYADDR};

	/* One frame more than the trace has: the answer to a fault without a page. */
	config.carveout_bytes = (((replay->pfn_limit + 1) << 12) + GIB - 1) / GIB * GIB;
	config.memory_bytes = config.carveout_bytes + GIB;
	while (config.maxphyaddr < 52 && config.memory_bytes >> (config.maxphyaddr - 1))
		config.maxphyaddr++;
	config.check = replay->check;
	config.report = keep_reason;
	config.report_context = replay;
	return tdp_host_create(&config, &replay->host);
}

static enum tdp_choice choice(int value)
{
	return value ? TDP_ON : TDP_OFF;
}

static int create_vm(struct replay *replay)
{
	const struct settings *settings = &replay->settings;
	struct tdp_policy policy = {.size = sizeof(policy)};
	struct tdp_vm_config config = {.size = sizeof(config), .policy = &policy};

	config.format = replay_is_ept(replay) ? TDP_EPT : TDP_NPT;
	config.levels = (unsigned int)settings->value[SETTING_LEVELS];
	config.baseline = replay_baseline(replay);
	config.l1tf = config.format == TDP_EPT; /* as the emulated CPU of the captures */
	config.reserved_not_present = replay->emulated_cpu && config.format == TDP_NPT;
	config.no_ad = !settings->value[SETTING_AD];
	config.no_mmio_caching = !settings->value[SETTING_MMIO_CACHING];
	if (survey_disables_slot_zap_all(replay->trace))
		policy.slot_zap_all = TDP_OFF;
	policy.eager_split = choice(settings->value[SETTING_EAGER_SPLIT]);
	policy.nx_huge_pages = choice(replay->nx_huge_pages);
	config.nx_recovery_ratio = survey_recovery_ratio(replay->trace);
	log_configure(replay, &config, &policy);
	config.check = replay->check;
	config.trace = sink_event;
	config.trace_context = replay;
	return tdp_vm_create(replay->host, &config, &replay->vm);
}

static int reset_registers(struct guest_cpu *cpu)
{
	cpu->registers = program_first_registers();
	return tdp_vcpu_set_registers(cpu->vcpu, &cpu->registers, TDP_CHANGE_SREGS);
}

static int create_vcpus(struct replay *replay, unsigned int count)
{
	struct tdp_vcpu_config config = {.size = sizeof(config), .no_tlb = true};
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++) {
		err = tdp_vcpu_create(replay->vm, &config, &replay->cpus[i].vcpu);
		replay->cpu_count += !err;
		if (!err)
			err = reset_registers(&replay->cpus[i]);
	}
	return err;
}

void machine_create_vm(struct replay *replay, const struct event *event)
{
	int err;

	if (event->u.phase.vm_type != 0) {
		replay_stop(replay, event->line, "software-protected VMs");
		return;
	}
	if (replay->host || event->u.phase.vcpus > VCPUS_MAX) {
		replay_lose(replay, event->line, "one VM with at most %d vCPUs can be replayed",
			    VCPUS_MAX);
		return;
	}
	replay_take(replay);
	err = create_host(replay);
	if (!err) {
		replay->names.data_base = tdp_host_carveout(replay->host).n;
		err = create_vm(replay);
	}
	if (!err)
		err = create_vcpus(replay, event->u.phase.vcpus);
	if (err)
		replay_fail(replay, err, "the VM cannot be made");
}

void machine_create_late_vcpus(struct replay *replay)
{
	unsigned int count;
	int err;

	if (!replay->vm || replay->cpu_count)
		return;
	count = survey_vcpus(replay->trace);
	err = create_vcpus(replay, count < VCPUS_MAX ? count : VCPUS_MAX);
	if (err)
		replay_fail(replay, err, "the vCPUs cannot be made");
}

static void keep_violation(void *context, enum tdp_invariant invariant, const char *sentence)
{
	struct replay *replay = context;

	if (!*replay->violation)
		snprintf(replay->violation, sizeof(replay->violation), "%s: %s",
			 tdp_invariant_name(invariant), sentence);
}

void machine_check_vm(struct replay *replay)
{
	if (replay->check && replay->vm)
		replay->violations += tdp_vm_check(replay->vm, keep_violation, replay);
}

void machine_destroy_vm(struct replay *replay)
{
	machine_check_vm(replay);
	tdp_vm_destroy(replay->vm);
	replay->vm = NULL;
	replay->cpu_count = 0;
	memset(&replay->slots, 0, sizeof(replay->slots));
}
