/*
 * Two policies compared. A VM deletes a memory slot that its guest never touched:
 * what does the guest pay, if all roots are dropped (quirk SLOT_ZAP_ALL, KVM's
 * default) and if only the slot's own mappings are?
 */
#include <stdio.h>
#include <stdlib.h>

#include <tdpsim/tdpsim.h>

#define PAGES 4096ULL

static void must(int err)
{
	if (err)
		exit(EXIT_FAILURE);
}

static void touch_all(struct tdp_vcpu *vcpu)
{
	struct tdp_access_request write = {.access = TDP_WRITE};
	struct tdp_access_result result;

	for (; write.address < PAGES << TDP_PAGE_SHIFT; write.address += TDP_PAGE_SIZE)
		must(tdp_vcpu_access(vcpu, &write, &result));
}

static void compare(struct tdp_host *host, const struct tdp_anon *anon, enum tdp_choice zap_all)
{
	const struct tdp_policy policy = {.size = sizeof(policy), .slot_zap_all = zap_all};
	struct tdp_vm_config config = {.policy = &policy};
	struct tdp_memslot slot = {.pages = PAGES, .backing = tdp_anon_backing(anon)};
	struct tdp_memslot other = {.id = 1, .gfn = {1 << 20}, .pages = 1, .backing = slot.backing};
	struct tdp_stats before, after;
	struct tdp_vcpu *vcpu;
	struct tdp_vm *vm;

	must(tdp_vm_create(host, &config, &vm));
	must(tdp_vcpu_create(vm, NULL, &vcpu));
	must(tdp_vm_set_memslot(vm, &slot));
	must(tdp_vm_set_memslot(vm, &other));
	touch_all(vcpu);
	tdp_vm_stats(vm, &before);
	other.pages = 0; /* deletes it */
	must(tdp_vm_set_memslot(vm, &other));
	touch_all(vcpu);
	tdp_vm_stats(vm, &after);
	printf("slot_zap_all %-3s  faults %5llu  then %5llu  remote flushes %llu\n",
	       zap_all == TDP_ON ? "on" : "off", (unsigned long long)before.pf_taken,
	       (unsigned long long)(after.pf_taken - before.pf_taken),
	       (unsigned long long)after.remote_tlb_flush_requests);
	tdp_vm_destroy(vm);
}

int main(void)
{
	struct tdp_host_config host_config = {.memory_bytes = 1ULL << 30};
	struct tdp_anon_config memory = {.bytes = PAGES << TDP_PAGE_SHIFT};
	struct tdp_host *host;
	struct tdp_anon *anon;

	must(tdp_host_create(&host_config, &host));
	must(tdp_anon_create(host, &memory, &anon));
	compare(host, anon, TDP_ON);
	compare(host, anon, TDP_OFF);
	tdp_anon_destroy(anon);
	tdp_host_destroy(host);
	return EXIT_SUCCESS;
}
