/*
 * Holes: guest frames without a slot. An MMIO entry, which always faults, records that there is no
 * slot and the memslot generation of that fact, so the next access goes to the emulator without a
 * lookup of the slots (handle_mmio_page_fault() and check_mmio_spte(), 6.12).
 */
#include <errno.h>

#include "host/report.h"
#include "mmu/fault.h"
#include "mmu/lookup.h"
#include "mmu/trace.h"

static void mmio_remember(struct fault *fault)
{
	uint64_t generation = memslots_generation(fault->slots);

	if (generation & MEMSLOT_GENERATION_UPDATING)
		return;
	fault->context->mmio.generation = generation;
	fault->context->mmio.gpa = fault->gfn.n << TDP_PAGE_SHIFT;
}

static bool mmio_remembered(const struct fault *fault)
{
	const struct mmio_cache *cache = &fault->context->mmio;

	return cache->gpa == fault->gfn.n << TDP_PAGE_SHIFT &&
	       cache->generation == memslots_generation(fault->slots);
}

static bool mmio_current(struct fault *fault, uint64_t spte)
{
	struct mmu_actor *actor = &fault->context->actor;
	uint64_t generation = memslots_generation(fault->slots);
	bool valid;

	if (generation & MEMSLOT_GENERATION_UPDATING)
		return false;
	generation &= actor->mmu->encoding.mmio_generation_mask;
	valid = generation == spte_mmio_generation(&actor->mmu->encoding, spte);
	if (mmu_tracing(actor))
		trace_check_mmio(actor, spte, generation, valid);
	return valid;
}

/* The MMU never sets a reserved bit in a present entry. */
static int unexpected_reserved_bit(struct fault *fault, uint64_t spte, unsigned int level)
{
	const struct mmu *mmu = fault->context->actor.mmu;

	if (!spte_present(&mmu->encoding, spte) || !lookup_reserved(mmu, spte, level))
		return STEP_RETRY; /* it was mapped meanwhile */
	host_report(mmu->host, "gfn 0x%llx: entry 0x%llx at level %u has reserved bits set",
		    (unsigned long long)fault->gfn.n, (unsigned long long)spte, level);
	return -EINVAL;
}

int fault_mmio(struct fault *fault)
{
	struct mmu_actor *actor = &fault->context->actor;
	struct lookup found;

	if (mmio_remembered(fault))
		return STEP_EMULATE;
	mmu_read_begin(actor);
	found = lookup_last(actor->mmu, fault->context->root.table, fault->gfn);
	mmu_read_end(actor);
	if (!spte_mmio(&actor->mmu->encoding, found.entry))
		return unexpected_reserved_bit(fault, found.entry, found.level);
	if (!mmio_current(fault, found.entry))
		return STEP_INVALID; /* the full path writes a new one, or maps a new slot */
	if (mmu_tracing(actor))
		trace_handle_mmio(actor, found.entry, fault->gpa);
	mmio_remember(fault);
	return STEP_EMULATE;
}

int fault_hole(struct fault *fault)
{
	const struct mmu *mmu = fault->context->actor.mmu;

	mmio_remember(fault);
	if (!mmu->encoding.mmio_caching || fault->gfn.n >= mmu->limits.gfns)
		return STEP_EMULATE;
	return STEP_CONTINUE;
}
