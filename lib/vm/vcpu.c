/*
 * A vCPU: its creation and its accesses. Inside guest mode an access looks into the TLB,
 * walks, updates A and D, and moves the data. If that exits, the fault handler runs
 * outside guest mode, and the access is attempted again.
 */
#include <tdpsim/dirty.h>

#include <errno.h>

#include "host/report.h"
#include "mmu/cpu_log.h"
#include "mmu/enter.h"
#include "mmu/fault.h"
#include "mmu/gate.h"
#include "mmu/ring.h"
#include "mmu/trace.h"
#include "platform/bytes.h"
#include "platform/charge.h"
#include "platform/clock.h"
#include "platform/sized.h"
#include "platform/wait.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "vm/watch.h"

static unsigned int root_level(const struct tdp_vm *vm, unsigned int maxphyaddr)
{
	/* AMD walks as deep as the host; EPT only as deep as the guest can address. */
	if (vm->config.format == TDP_EPT && maxphyaddr <= 48)
		return 4;
	return vm->config.levels;
}

static int check_config(const struct tdp_vm *vm, const struct tdp_vcpu_config *config)
{
	if (config->maxphyaddr && (config->maxphyaddr < 32 || config->maxphyaddr > 52)) {
		host_report(vm->host, "a vCPU's physical addresses have 32 to 52 bits, not %u",
			    config->maxphyaddr);
		return -EINVAL;
	}
	if (config->node < 0 || (unsigned int)config->node > vm->host->config.nodes) {
		host_report(vm->host, "the host has no node %d", config->node - 1);
		return -EINVAL;
	}
	return 0;
}

void vcpu_free(struct tdp_vcpu *vcpu)
{
	struct tdp_vm *vm = vcpu->vm;

	watch_destroy(vcpu);
	cpu_log_destroy(&vcpu->context, &vm->mmu);
	vcpu_ring_destroy(&vcpu->context);
	if (vcpu->events)
		host_release(vm->host, vcpu->events, vm->config.trace_ring * sizeof(*vcpu->events));
	host_release(vm->host, vcpu, sizeof(*vcpu));
}

static int vcpu_alloc(struct tdp_vm *vm, struct tdp_vcpu **result)
{
	struct tdp_host *host = vm->host;
	struct tdp_vcpu *vcpu =
		host_allocate_aligned(host, _Alignof(struct tdp_vcpu), sizeof(*vcpu));

	if (!vcpu)
		return -ENOMEM;
	vcpu->vm = vm;
	if (vm->config.trace_ring)
		vcpu->events = host_allocate(host, vm->config.trace_ring * sizeof(*vcpu->events));
	if ((vm->config.trace_ring && !vcpu->events) || watch_create(vcpu) ||
	    cpu_log_create(&vcpu->context, &vm->mmu) ||
	    vcpu_ring_create(&vcpu->context, &vm->mmu)) {
		vcpu_free(vcpu);
		return -ENOMEM;
	}
	*result = vcpu;
	return 0;
}

static void vcpu_init(struct tdp_vcpu *vcpu, struct tdp_vm *vm,
		      const struct tdp_vcpu_config *config)
{
	unsigned int maxphyaddr = config->maxphyaddr ? config->maxphyaddr : vm->config.maxphyaddr;

	vcpu->id = u32_load_relaxed(&vm->vcpu_count); /* vcpus_lock is held */
	vcpu->no_tlb = config->no_tlb;
	vcpu->root_level = root_level(vm, maxphyaddr);
	vcpu->walker = &vm->walkers[vcpu->root_level - 4];
	mmu_context_init(&vcpu->context, &vm->mmu, vcpu->id, vcpu->events, vm->config.trace_ring);
	/* By default vCPUs are spread over the nodes, as a scheduler would spread them. */
	vcpu->context.actor.caller.node =
		config->node ? config->node - 1 : (int)(vcpu->id % vm->host->config.nodes);
	vcpu_registers_init(vcpu);
}

/* vcpus_lock is held. */
static void vcpu_link(struct tdp_vcpu *vcpu, struct tdp_vm *vm,
		      const struct tdp_vcpu_config *config)
{
	vcpu_init(vcpu, vm, config);
	vcpu->next = vm_first_vcpu(vm);
	ptr_store_release(&vm->vcpus, vcpu);
	u32_add_relaxed(&vm->vcpu_count, 1);
}

int tdp_vcpu_create(struct tdp_vm *vm, const struct tdp_vcpu_config *given,
		    struct tdp_vcpu **result)
{
	struct tdp_vcpu_config config;
	struct tdp_vcpu *vcpu;
	int err;

	err = host_read_sized(vm->host, "vCPU config", &config, sizeof(config),
			      SIZED_FIRST(struct tdp_vcpu_config), given);
	if (!err)
		err = check_config(vm, &config);
	if (err)
		return err;
	err = vcpu_alloc(vm, &vcpu);
	if (err)
		return err;
	mutex_lock(&vm->vcpus_lock);
	err = u32_load_relaxed(&vm->vcpu_count) < VCPUS_MAX ? 0 : -ENOSPC;
	if (!err)
		vcpu_link(vcpu, vm, &config);
	mutex_unlock(&vm->vcpus_lock);
	if (err) {
		host_report(vm->host, "a VM has at most %u vCPUs", VCPUS_MAX);
		vcpu_free(vcpu);
		return err;
	}
	*result = vcpu;
	return 0;
}

unsigned int tdp_vcpu_id(const struct tdp_vcpu *vcpu)
{
	return vcpu->id;
}

/* Moves the data of an access that the tables allow. Called inside guest mode. */
static void touch(struct tdp_vcpu *vcpu, const struct tdp_access_request *request, tdp_pfn_t pfn,
		  struct tdp_access_result *result)
{
	struct tdp_host *host = vcpu->vm->host;
	uint8_t *at = (uint8_t *)frame_address(host, pfn) + (request->address % TDP_PAGE_SIZE);

	result->outcome = TDP_ACCESS_DONE;
	result->pfn = pfn;
	if (!request->data)
		return;
	if (request->access == TDP_WRITE)
		bytes_store(at, request->data, request->bytes);
	else
		bytes_load(request->data, at, request->bytes);
}

static void report_exit(const struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
			const struct tdp_walk_result *walk, struct tdp_access_result *result)
{
	bool ept = vcpu->vm->config.format == TDP_EPT;

	result->outcome = TDP_ACCESS_FAULT;
	result->fault = (struct tdp_fault){
		.gpa = walk->gpa,
		.error_code = walk->error_code,
		.misconfig = ept && walk->outcome == TDP_WALK_MISCONFIG,
		.rip = request->rip,
	};
}

/* Returns false, with nothing done, if the CPU's log of written pages must be emptied first. */
static bool walk_and_touch(struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
			   struct tdp_access_result *result)
{
	struct mmu_context *context = &vcpu->context;
	struct tdp_walk_request wanted = {
		.address = request->address,
		.access = request->access,
		.user = request->user,
	};
	struct tdp_walk_result walk;

	if (vcpu->watch)
		watch_before_walk(vcpu, request);
	walk_linear(vcpu->walker, &context->tlb.structures, cpu_log(context), context->root.pfn,
		    &vcpu->paging, &wanted, &walk);
	switch (walk.outcome) {
	case TDP_WALK_LOG_FULL:
		return false;
	case TDP_WALK_DONE:
		tlb_insert_walk(&context->tlb, context->root.pfn.n, request->address,
				vcpu->paging.mode != TDP_PAGING_NONE, &walk);
		touch(vcpu, request, walk.pfn, result);
		break;
	case TDP_WALK_GUEST_FAULT:
		result->outcome = TDP_ACCESS_GUEST_FAULT;
		result->guest_error_code = walk.guest_error_code;
		break;
	case TDP_WALK_NO_FRAME:
		result->outcome = TDP_ACCESS_REFUSED;
		result->error = -EFAULT;
		break;
	default:
		report_exit(vcpu, request, &walk, result);
	}
	if (vcpu->watch)
		watch_walk(vcpu, request, &walk);
	return true;
}

/* One attempt, inside guest mode. Returns false as walk_and_touch() does. */
static bool attempt(struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
		    struct tdp_access_result *result)
{
	struct mmu_context *context = &vcpu->context;
	const struct tlb_entry *entry;

	if (vcpu->no_tlb)
		tlb_flush(&context->tlb);
	entry = tlb_lookup(&context->tlb, context->root.pfn.n, request->address, request->access,
			   request->user);
	if (!entry) {
		counter_bump(&context->counters.tlb_misses);
		return walk_and_touch(vcpu, request, result);
	}
	counter_bump(&context->counters.tlb_hits);
	result->tlb_hit = true;
	if (vcpu->watch)
		watch_hit(vcpu, entry);
	touch(vcpu, request, entry->pfn, result);
	return true;
}

static bool within_a_page(const struct tdp_access_request *request)
{
	return !request->data ||
	       (request->bytes <= TDP_PAGE_SIZE &&
		request->address % TDP_PAGE_SIZE <= TDP_PAGE_SIZE - request->bytes);
}

/* A stall lasts from the first exit of an access, of any kind, until the access is done. */
static void stall_begin(struct tdp_vcpu *vcpu)
{
	if (!vcpu->stalls || vcpu->stalled)
		return;
	vcpu->stalled = true;
	vcpu->stalled_since = clock_now();
}

/* A full ring does not end the stall: the time that user space takes to drain it counts. */
static void stall_end(struct tdp_vcpu *vcpu, enum tdp_outcome outcome)
{
	if (!vcpu->stalled || outcome == TDP_ACCESS_RING_FULL)
		return;
	vcpu->stalled = false;
	tdp_histogram_record(vcpu->stalls, clock_now() - vcpu->stalled_since);
}

/* An exit without a fault. In 6.18 a fast-path exit, such as HLT's, does not drain the CPU's log.
 */
static void plain_exit(struct mmu_context *context, bool fast_path)
{
	charge(CHARGE_VM_EXIT, 1);
	counter_bump(&context->counters.exits);
	if (!fast_path || context->actor.mmu->policy.exit_keeps_log != TDP_ON)
		cpu_log_drain(&context->actor, context);
	charge(CHARGE_VM_ENTRY, 1);
}

/* Serves requests and enters guest mode. */
static int enter_guest(struct mmu_context *context)
{
	int err;

	do {
		err = mmu_context_prepare(context);
	} while (!err && !mmu_guest_enter(context));
	if (err == MMU_RING_FULL && mmu_tracing(&context->actor))
		trace_dirty_ring_exit(&context->actor);
	return err;
}

/* Enters guest mode for one attempt. */
static int enter_once(struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
		      struct tdp_access_result *result)
{
	struct mmu_context *context = &vcpu->context;
	bool done = false;
	int err;

	gate_enter(&context->actor);
	while (!done) {
		err = enter_guest(context);
		if (err)
			break;
		done = attempt(vcpu, request, result);
		mmu_guest_leave(context);
		if (vcpu->watch)
			watch_left(vcpu);
		if (!done) {
			stall_begin(vcpu);
			plain_exit(context, false);
		}
	}
	gate_leave(&context->actor);
	if (err != MMU_RING_FULL)
		return err;
	stall_begin(vcpu);
	result->outcome = TDP_ACCESS_RING_FULL;
	return 0;
}

static int check_request(const struct tdp_vcpu *vcpu, const struct tdp_access_request *request)
{
	if ((unsigned int)request->access > TDP_FETCH) {
		host_report(vcpu->vm->host, "an access reads, writes or fetches");
		return -EINVAL;
	}
	if (!within_a_page(request)) {
		host_report(vcpu->vm->host, "an access of %zu bytes at 0x%llx crosses a page",
			    request->bytes, (unsigned long long)request->address);
		return -EINVAL;
	}
	return 0;
}

static int begin_access(struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
			struct tdp_access_result *result)
{
	int err = check_request(vcpu, request);

	if (err)
		return err;
	*result = (struct tdp_access_result){0};
	counter_bump(&vcpu->context.counters.accesses);
	return enter_once(vcpu, request, result);
}

/* The caller handles the exits of the access, and so also measures how long they take. */
int tdp_vcpu_enter(struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
		   struct tdp_access_result *result)
{
	int err = begin_access(vcpu, request, result);

	vcpu->stalled = false;
	return err;
}

static enum tdp_fault_result public_result(int step)
{
	switch (step) {
	case STEP_RETRY:
		return TDP_FAULT_RETRY;
	case STEP_EMULATE:
		return TDP_FAULT_EMULATE;
	case STEP_WRITE_PROTECTED:
		return TDP_FAULT_WRITE_PROTECTED;
	case STEP_FIXED:
		return TDP_FAULT_FIXED;
	case STEP_SPURIOUS:
		return TDP_FAULT_SPURIOUS;
	default:
		return TDP_FAULT_ERROR;
	}
}

static int handle_exit(struct tdp_vcpu *vcpu, const struct tdp_fault *fault)
{
	int step;

	gate_enter(&vcpu->context.actor);
	step = mmu_page_fault(&vcpu->context, fault);
	gate_leave(&vcpu->context.actor);
	return step;
}

int tdp_vcpu_fault(struct tdp_vcpu *vcpu, const struct tdp_fault *fault,
		   enum tdp_fault_result *result)
{
	int step = handle_exit(vcpu, fault);

	*result = public_result(step);
	return step < 0 ? step : 0;
}

/* Handles one exit. Returns true if the guest is to be entered again. */
static bool handled(struct tdp_vcpu *vcpu, struct tdp_access_result *result, int *err,
		    struct waiting *waiting)
{
	int step = handle_exit(vcpu, &result->fault);

	*err = 0;
	switch (step) {
	case STEP_EMULATE:
	case STEP_WRITE_PROTECTED:
		result->outcome = TDP_ACCESS_MMIO;
		return false;
	case STEP_RETRY:
		platform_pause(waiting); /* another actor must make progress first */
		return true;
	case -ENOMEM:
	case -EINVAL:
		*err = step;
		return false;
	default:
		break;
	}
	if (step > 0)
		return true;
	result->outcome = TDP_ACCESS_REFUSED;
	result->error = step;
	return false;
}

/* Handles exits and attempts the access again until it ends. */
static int handle_exits(struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
			struct tdp_access_result *result)
{
	struct waiting waiting = {0};
	int err = 0;

	do {
		result->faults++;
		if (!handled(vcpu, result, &err, &waiting))
			break;
		err = enter_once(vcpu, request, result);
	} while (!err && result->outcome == TDP_ACCESS_FAULT);
	return err;
}

int tdp_vcpu_access(struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
		    struct tdp_access_result *result)
{
	int err = begin_access(vcpu, request, result);

	if (err)
		return err;
	if (result->outcome == TDP_ACCESS_FAULT) {
		stall_begin(vcpu);
		err = handle_exits(vcpu, request, result);
	}
	stall_end(vcpu, result->outcome);
	return err;
}

void tdp_vcpu_time_stalls(struct tdp_vcpu *vcpu, struct tdp_histogram *stalls)
{
	vcpu->stalls = stalls;
	vcpu->stalled = false;
}

int tdp_vcpu_load_root(struct tdp_vcpu *vcpu)
{
	int err;

	gate_enter(&vcpu->context.actor);
	err = mmu_context_prepare(&vcpu->context);
	gate_leave(&vcpu->context.actor);
	return err == MMU_RING_FULL ? 0 : err; /* a full ring matters only on entry to the guest */
}

void tdp_vcpu_exit(struct tdp_vcpu *vcpu)
{
	gate_enter(&vcpu->context.actor);
	plain_exit(&vcpu->context, true);
	gate_leave(&vcpu->context.actor);
}

void tdp_vcpu_flush_tlb(struct tdp_vcpu *vcpu)
{
	gate_enter(&vcpu->context.actor);
	tlb_flush(&vcpu->context.tlb);
	gate_leave(&vcpu->context.actor);
}

tdp_pfn_t tdp_vcpu_root(const struct tdp_vcpu *vcpu)
{
	return vcpu->context.root.table ? vcpu->context.root.pfn : tdp_pfn(0);
}
