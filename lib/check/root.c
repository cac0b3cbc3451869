/*
 * Checks the list of roots: each root is alive, each reference has its holder, a vCPU's
 * root is on the list, and an invalidated root that has been zapped is empty.
 */
#include <inttypes.h>

#include "check/checker.h"
#include "host/frame.h"
#include "mmu/flush.h"
#include "mmu/root.h"
#include "vm/vcpu.h"

static struct table *first_root(const struct checker *checker)
{
	return ptr_load_acquire(&checker->mmu->pages.roots);
}

static struct table *next_root(const struct table *root)
{
	return ptr_load_acquire(&root->next_root);
}

/* Counts who holds the root: vCPUs that loaded it, open iterators, and the MMU itself. */
static uint32_t holders(const struct checker *checker, const struct table *root)
{
	uint32_t count = !root_invalid(root) || root->zap_scheduled;
	const struct tdp_vcpu *vcpu;
	const struct mmu_actor *task;

	for (vcpu = vm_first_vcpu(checker->vm); vcpu; vcpu = vcpu->next)
		count += vcpu->context.root.table == root;
	for (task = ptr_load_acquire(&checker->mmu->tasks.all); task; task = task->next_task)
		count += ptr_load_acquire(&task->reading) == root;
	return count;
}

static void check_references(struct checker *checker, const struct table *root)
{
	uint32_t references = u32_load_relaxed(&root->references);
	uint32_t held = holders(checker, root);

	if (references != held)
		violation(checker, TDP_INVARIANT_REFERENCE,
			  "root 0x%" PRIx64 " of role 0x%08" PRIx32 " counts %" PRIu32
			  " references, but %" PRIu32 " are held",
			  table_pfn(checker->vm->host, root).n, u32_load_relaxed(&root->role),
			  references, held);
}

/* I7: the zap visited the whole root. We hold slots_lock, so no zap is under way. */
static void check_invalid(struct checker *checker, const struct table *root)
{
	atomic_u64 *entries = table_entries(checker->vm->host, root);
	struct met_entry spot = {.root = root, .table = root, .level = table_level(root)};

	if (root->zap_scheduled)
		violation(checker, TDP_INVARIANT_INVALID_ROOT,
			  "root 0x%" PRIx64 " was invalidated and never zapped",
			  table_pfn(checker->vm->host, root).n);
	for (unsigned int i = 0; i < TABLE_ENTRIES; i++) {
		spot.entry = u64_load_relaxed(&entries[i]);
		spot.gfn = tdp_gfn(i * tdp_level_pages(spot.level));
		if (spte_present(checker->encoding, spot.entry))
			violation_at(checker, TDP_INVARIANT_INVALID_ROOT, &spot,
				     "present below a root that has been zapped");
	}
}

static void check_root(struct checker *checker, const struct table *root)
{
	tdp_pfn_t pfn = table_pfn(checker->vm->host, root);

	if (!frame_table_in_use(checker->vm->host, pfn)) {
		violation(checker, TDP_INVARIANT_LIFETIME,
			  "root 0x%" PRIx64 " is on the list and has been freed", pfn.n);
		return;
	}
	check_references(checker, root);
	if (root_invalid(root))
		check_invalid(checker, root);
	check_tree(checker, root);
}

static bool on_list(const struct checker *checker, const struct table *root)
{
	const struct table *at = first_root(checker);

	while (at && at != root)
		at = next_root(at);
	return at != NULL;
}

/* R4 of root.h: a vCPU with an invalid root got its request before mmu_lock was dropped. */
static void check_loaded(struct checker *checker, const struct tdp_vcpu *vcpu)
{
	const struct mmu_context *context = &vcpu->context;
	const struct table *root = context->root.table;

	if (!root)
		return;
	if (!on_list(checker, root)) {
		violation(checker, TDP_INVARIANT_LIFETIME,
			  "vCPU %u has a root loaded that is not on the list", vcpu->id);
		return;
	}
	if ((u32_load_relaxed(&root->role) & ~ROLE_INVALID) != context->role.word ||
	    table_pfn(checker->vm->host, root).n != context->root.pfn.n)
		violation(checker, TDP_INVARIANT_REFERENCE,
			  "vCPU %u has a root loaded that is not of its role", vcpu->id);
	if (root_invalid(root) &&
	    !(u32_load_relaxed(&context->requests) & REQUEST_FREE_OBSOLETE_ROOTS))
		violation(checker, TDP_INVARIANT_INVALID_ROOT,
			  "vCPU %u has an invalid root loaded and no request to leave it",
			  vcpu->id);
}

void check_roots(struct checker *checker)
{
	const struct tdp_vcpu *vcpu;
	const struct table *root;

	for (root = first_root(checker); root; root = next_root(root))
		check_root(checker, root);
	for (vcpu = vm_first_vcpu(checker->vm); vcpu; vcpu = vcpu->next)
		check_loaded(checker, vcpu);
}
