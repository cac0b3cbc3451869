/*
 * One VM, one fault. A guest of one vCPU writes to a page that nothing maps yet:
 * the exit is handled as KVM does, and the same access then finds its way through
 * the tables. What the hardware reads on that way is printed, entry by entry.
 */
#include <stdio.h>
#include <stdlib.h>

#include <tdpsim/tdpsim.h>

#define GPA 0x40001234ULL

static void complain(void *context, const char *sentence)
{
	(void)context;
	fprintf(stderr, "hello: %s\n", sentence);
}

/* Every call says 0 or a negative errno; a reason in words went to complain(). */
static void must(int err)
{
	if (err)
		exit(EXIT_FAILURE);
}

int main(void)
{
	struct tdp_host_config host_config = {.memory_bytes = 1ULL << 30, .report = complain};
	struct tdp_anon_config memory = {.bytes = 64 << 20, .page = TDP_2M};
	struct tdp_access_request write = {.address = GPA, .access = TDP_WRITE};
	struct tdp_walk_config hardware = {.format = TDP_EPT, .ad = true, .execute_only = true};
	struct tdp_memslot slot = {.id = 0, .gfn = {GPA >> TDP_PAGE_SHIFT & ~511ULL}};
	struct tdp_vm_config vm_config = {.format = TDP_EPT};
	struct tdp_access_result result;
	struct tdp_host *host;
	struct tdp_anon *anon;
	struct tdp_vcpu *vcpu;
	struct tdp_vm *vm;

	must(tdp_host_create(&host_config, &host));
	must(tdp_anon_create(host, &memory, &anon));
	must(tdp_vm_create(host, &vm_config, &vm));
	must(tdp_vcpu_create(vm, NULL, &vcpu));
	slot.backing = tdp_anon_backing(anon);
	slot.pages = slot.backing->bytes >> TDP_PAGE_SHIFT;
	must(tdp_vm_set_memslot(vm, &slot));

	must(tdp_vcpu_load_root(vcpu));
	printf("Before the first access:\n");
	must(tdp_dump_walk(host, &hardware, tdp_vcpu_root(vcpu), GPA, stdout));

	must(tdp_vcpu_access(vcpu, &write, &result));
	printf("\nThe write took %u exit (qualification 0x%llx). Now:\n", result.faults,
	       (unsigned long long)result.fault.error_code);
	must(tdp_dump_walk(host, &hardware, tdp_vcpu_root(vcpu), GPA, stdout));

	tdp_vm_destroy(vm);
	tdp_anon_destroy(anon);
	tdp_host_destroy(host);
	return result.outcome == TDP_ACCESS_DONE && result.faults == 1 ? EXIT_SUCCESS
								       : EXIT_FAILURE;
}
