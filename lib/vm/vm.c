/* Creates and destroys VMs. See vm.h for the order of locks. */
#include "vm/vm.h"

#include <errno.h>

#include "guest/dirty_ring.h"
#include "host/report.h"
#include "mmu/age.h"
#include "mmu/enter.h"
#include "mmu/invalidate.h"
#include "mmu/zap.h"
#include "platform/check.h"
#include "platform/sized.h"
#include "vm/policy.h"
#include "vm/vcpu.h"

/* A gigabyte and more for each vCPU; a product of it with an event's size cannot overflow. */
#define TRACE_RING_MAX ((size_t)1 << 24)

#define NX_RECOVERY_RATIO 60 /* upstream's default (arch/x86/kvm/mmu/mmu.c, 6.12) */

static void notified_begin(void *context, const struct memory_change *change)
{
	struct tdp_vm *vm = context;

	mmu_invalidate_begin(&vm->mmu, change);
}

static void notified_end(void *context, const struct memory_change *change)
{
	struct tdp_vm *vm = context;

	mmu_invalidate_end(&vm->mmu, change);
}

static bool notified_age(void *context, const struct memory_change *change, bool test)
{
	struct tdp_vm *vm = context;

	return mmu_age(&vm->mmu, change, test);
}

static const struct notifier_ops notifier_ops = {
	.begin = notified_begin,
	.end = notified_end,
	.age = notified_age,
};

static int refuse(const struct tdp_host *host, const char *reason)
{
	host_report(host, "%s", reason);
	return -EINVAL;
}

static int check_shape(const struct tdp_host *host, const struct tdp_vm_config *config)
{
	if (config->format != TDP_NPT && config->format != TDP_EPT)
		return refuse(host, "the entry format must be NPT or EPT");
	if (config->levels != 0 && config->levels != 4 && config->levels != 5)
		return refuse(host, "the second level has 4 or 5 levels");
	if (config->maxphyaddr != 0 && (config->maxphyaddr < 32 || config->maxphyaddr > 52))
		return refuse(host, "the guest's physical addresses have 32 to 52 bits");
	if ((unsigned int)config->max_level > TDP_LEAF_LEVEL_MAX)
		return refuse(host, "the largest leaf is 4K, 2M or 1G");
	if (config->address_spaces > ADDRESS_SPACES)
		return refuse(host, "a VM has 1 or 2 address spaces");
	if (config->trace_ring & (config->trace_ring - 1) || config->trace_ring > TRACE_RING_MAX)
		return refuse(host, "a trace ring has a power of two of events, at most 16777216");
	return 0;
}

static int check_features(const struct tdp_host *host, const struct tdp_vm_config *config)
{
	if (config->no_ad && config->format == TDP_NPT)
		return refuse(host, "NPT always keeps accessed and dirty flags");
	if (config->no_execute_only && config->format == TDP_NPT)
		return refuse(host, "execute-only is a capability of EPT");
	if (config->reserved_not_present && config->format == TDP_EPT)
		return refuse(host, "an EPT misconfiguration has no error code");
	if (config->l1tf && config->format == TDP_NPT)
		return refuse(host, "L1TF is a flaw of CPUs with EPT");
	return 0;
}

static int check_logging(const struct tdp_host *host, const struct tdp_vm_config *config)
{
	unsigned int ring = config->dirty_ring;

	if ((unsigned int)config->manual_protect > TDP_MANUAL_PROTECT_ALL_SET)
		return refuse(host, "manual protection is off, on, or on with all pages set");
	if (ring && (ring < DIRTY_RING_MIN || ring > DIRTY_RING_MAX || ring & (ring - 1)))
		return refuse(host, "a dirty ring has 512 to 65536 entries, a power of two");
	if (config->dirty_ring_with_bitmap && !ring)
		return refuse(host, "a bitmap beside the dirty ring needs a dirty ring");
	return 0;
}

/* What a ring keeps free for a vCPU that is inside (B1 of guest/dirty_ring.h). */
static uint32_t ring_reserve(const struct tdp_policy *policy)
{
	bool logs = policy->dirty_track == TDP_DIRTY_TRACK_DBIT;

	return DIRTY_RING_RESERVED + (logs ? WRITE_LOG_ENTRIES : 0);
}

static int check_ring(const struct tdp_host *host, const struct tdp_vm_config *config,
		      const struct tdp_policy *policy)
{
	if (!config->dirty_ring)
		return 0;
	if (config->dirty_ring <= ring_reserve(policy))
		return refuse(host,
			      "a dirty ring must be larger than the CPU's log and 64 entries");
	if (config->manual_protect == TDP_MANUAL_PROTECT_ALL_SET && !config->dirty_ring_with_bitmap)
		return refuse(host, "there is no bitmap that could begin with every page marked");
	return 0;
}

/* The CPU logs writes only where it keeps D flags, and only Intel's does (SDM vol. 3, 29.3.6). */
static int resolve_tracking(const struct tdp_host *host, const struct tdp_vm_config *config,
			    bool asked_dbit, struct tdp_policy *policy)
{
	if (config->format == TDP_EPT && !config->no_ad)
		return 0;
	if (asked_dbit)
		return refuse(host, "writes are logged by D flags only where EPT keeps them");
	policy->dirty_track = TDP_DIRTY_TRACK_WRPROT;
	return 0;
}

static void fill_defaults(struct tdp_vm_config *config)
{
	if (!config->levels)
		config->levels = 4;
	if (!config->maxphyaddr)
		config->maxphyaddr = config->levels == 5 ? 52 : 48;
	if (!config->max_level)
		config->max_level = TDP_1G;
	if (!config->address_spaces)
		config->address_spaces = ADDRESS_SPACES;
	if (!config->nx_recovery_ratio)
		config->nx_recovery_ratio = NX_RECOVERY_RATIO;
}

static int init_walkers(struct tdp_vm *vm)
{
	struct tdp_walk_config walk = {
		.format = vm->config.format,
		.maxphyaddr = vm->host->config.maxphyaddr,
		.no_2m = vm->config.max_level < TDP_2M,
		.no_1g = vm->config.max_level < TDP_1G,
	};

	if (vm->config.format == TDP_EPT) {
		walk.ad = !vm->config.no_ad;
		walk.execute_only = !vm->config.no_execute_only;
		walk.mbec = vm->config.mbec;
		/* KVM uses MBEC only on a CPU that has both. */
		walk.advanced_exit_info = vm->config.mbec;
	} else {
		walk.host_nxe = true;
		walk.reserved_not_present = vm->config.reserved_not_present;
		walk.gmet = vm->config.gmet;
	}
	for (unsigned int i = 0; i < 2; i++) {
		int err;

		walk.levels = 4 + i;
		err = walker_init(&vm->walkers[i], vm->host, &walk);
		if (err)
			return err;
	}
	return 0;
}

static size_t ring_bytes(const struct tdp_vm *vm)
{
	return vm->config.trace_ring * sizeof(struct tdp_trace_event);
}

static int alloc_task_events(struct tdp_vm *vm)
{
	if (!vm->config.trace_ring)
		return 0;
	vm->task_events = host_allocate(vm->host, ring_bytes(vm));
	return vm->task_events ? 0 : -ENOMEM;
}

static void free_task_events(struct tdp_vm *vm)
{
	if (vm->task_events)
		host_release(vm->host, vm->task_events, ring_bytes(vm));
}

static int vm_init(struct tdp_vm *vm, const struct tdp_policy *policy)
{
	int err;

	err = init_walkers(vm);
	if (err)
		return err;
	err = alloc_task_events(vm);
	if (err)
		return err;
	err = guest_memory_init(&vm->memory, vm->host, vm->config.address_spaces);
	if (err)
		goto free_events;
	err = mmu_init(&vm->mmu, &(struct mmu_config){
					 .host = vm->host,
					 .memory = &vm->memory,
					 .vm = &vm->config,
					 .policy = *policy,
					 .dirty_ring_reserved = ring_reserve(policy),
					 .task_events = vm->task_events,
				 });
	if (err)
		goto fini_memory;
	mutex_init(&vm->vcpus_lock);
	vm->notifier = (struct notifier){.ops = &notifier_ops, .context = vm};
	notifier_subscribe(vm->host, &vm->notifier);
	return 0;

fini_memory:
	guest_memory_fini(&vm->memory);
free_events:
	free_task_events(vm);
	return err;
}

/* Resolves the policies of a config: each value "as the baseline" becomes the baseline's value. */
static int resolve_policy(const struct tdp_host *host, const struct tdp_vm_config *config,
			  struct tdp_policy *policy)
{
	struct tdp_policy asked;
	int err;

	err = host_read_sized(host, "policy", &asked, sizeof(asked), SIZED_FIRST(struct tdp_policy),
			      config->policy);
	if (err)
		return err;
	if (policy_resolve(config->baseline, &asked, policy))
		return refuse(host, "unknown baseline, or policy value out of range");
	return resolve_tracking(host, config, asked.dirty_track == TDP_DIRTY_TRACK_DBIT, policy);
}

/* MBEC and GMET need the entries that were made for them. */
static int check_modes(const struct tdp_host *host, const struct tdp_vm_config *config,
		       const struct tdp_policy *policy)
{
	if (config->mbec && config->format == TDP_NPT)
		return refuse(host, "mode-based execute control is a capability of EPT");
	if (config->gmet && config->format == TDP_EPT)
		return refuse(host, "guest-mode execute trap is a capability of NPT");
	if ((config->mbec || config->gmet) && policy->layout != TDP_ENTRY_LAYOUT_7_2)
		return refuse(host, "MBEC and GMET need the entry layout of 7.2");
	return 0;
}

/* Reads and completes a config, and resolves its policies. */
static int complete_config(const struct tdp_host *host, const struct tdp_vm_config *given,
			   struct tdp_vm_config *config, struct tdp_policy *policy)
{
	int err;

	err = host_read_sized(host, "VM config", config, sizeof(*config),
			      SIZED_FIRST(struct tdp_vm_config), given);
	if (!err)
		err = check_shape(host, config);
	if (!err)
		err = check_features(host, config);
	if (!err)
		err = check_logging(host, config);
	if (!err)
		err = resolve_policy(host, config, policy);
	if (!err)
		err = check_modes(host, config, policy);
	if (!err)
		err = check_ring(host, config, policy);
	if (!err)
		fill_defaults(config);
	return err;
}

int tdp_vm_create(struct tdp_host *host, const struct tdp_vm_config *given, struct tdp_vm **result)
{
	struct tdp_vm_config config;
	struct tdp_policy policy;
	struct tdp_vm *vm;
	int err;

	err = complete_config(host, given, &config, &policy);
	if (err)
		return err;
	vm = host_allocate_aligned(host, _Alignof(struct tdp_vm), sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	vm->host = host;
	vm->config = config;
	vm->config.policy = &vm->mmu.policy;
	vm->nx_huge_pages = policy.nx_huge_pages == TDP_ON;
	err = vm_init(vm, &policy);
	if (err)
		goto free_vm;
	*result = vm;
	return 0;

free_vm:
	host_release(host, vm, sizeof(*vm));
	return err;
}

static void destroy_vcpus(struct tdp_vm *vm)
{
	struct tdp_vcpu *vcpu = vm_first_vcpu(vm);

	while (vcpu) {
		struct tdp_vcpu *next = vcpu->next;

		mmu_context_fini(&vcpu->context);
		vcpu_free(vcpu);
		vcpu = next;
	}
	ptr_store_release(&vm->vcpus, NULL);
	ptr_store_release(&vm->mmu.vcpus.youngest, NULL);
}

/* In upstream's order: zap everything, make the vCPUs drop their roots, free the roots. */
static void end_roots(struct tdp_vm *vm)
{
	struct mmu_actor *task = mmu_task_get(&vm->mmu);
	struct mmu_exclusive exclusive;

	mmu_zap_all(task);
	destroy_vcpus(vm);
	/* No other actor uses the VM any more, so the order of G2 (gate.h) does not matter. */
	mutex_lock(&vm->memory.slots_lock);
	exclusive = mmu_lock_exclusive(task);
	roots_invalidate(exclusive);
	mmu_unlock_exclusive(exclusive);
	mmu_zap_invalidated_roots(task);
	mutex_unlock(&vm->memory.slots_lock);
	mmu_task_put(task);
}

void tdp_vm_destroy(struct tdp_vm *vm)
{
	if (!vm)
		return;
	notifier_unsubscribe(vm->host, &vm->notifier);
	end_roots(vm);
	mmu_fini(&vm->mmu);
	guest_memory_fini(&vm->memory);
	/* Tables that wait for a grace period refer to the host only, but a caller
	 * that destroys a VM expects its memory back. */
	rcu_barrier(&vm->host->rcu);
	free_task_events(vm);
	host_release(vm->host, vm, sizeof(*vm));
}

const struct tdp_policy *tdp_vm_policy(const struct tdp_vm *vm)
{
	return &vm->mmu.policy;
}
