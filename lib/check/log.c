/*
 * Compares leaves with the dirty log: if the guest can write a page of a logged slot
 * without a fault and without a PML entry, the page must be in the log already, or a write
 * would be lost. The log is the slot's bitmap, the ring entries that have not been
 * recycled, and the pages in the CPUs' own logs.
 */
#include <inttypes.h>

#include "check/checker.h"
#include "guest/dirty_ring.h"
#include "mmu/root.h"
#include "vm/vcpu.h"

/* A VM with rings: the pages in them are collected in words behind the bitmap's. */
static void empty_gathered(const struct memslots *slots)
{
	for (size_t i = 0; i < slots->count; i++) {
		struct dirty_log *log = slots->slot[i].log;

		for (size_t word = log ? log->words : 0; log && word < log->capacity; word++)
			u64_store_relaxed(&log->bits[word], 0); /* all actors are stopped */
	}
}

static void gather_entry(struct checker *checker, const struct dirty_ring_entry *entry)
{
	const struct memslots *slots = memslots_of(&checker->vm->memory, entry->address_space);
	const struct memslot *slot = memslot_by_id(slots, entry->slot);
	struct dirty_log *log = slot ? slot->log : NULL;

	/* The slot may have been deleted, or its id reused. */
	if (log && entry->offset < slot->pages)
		u64_or_acq_rel(&log->bits[log->words + entry->offset / LOG_WORD_PAGES],
			       1ULL << (entry->offset % LOG_WORD_PAGES));
}

/* Is the page in the bitmap, or was it gathered? */
static bool is_marked(const struct dirty_log *log, uint64_t page)
{
	uint64_t bits = 0;

	if (log->words)
		bits = dirty_log_peek(log, page / LOG_WORD_PAGES);
	if (log->capacity > log->words)
		bits |= dirty_log_peek(log, log->words + page / LOG_WORD_PAGES);
	return bits >> (page % LOG_WORD_PAGES) & 1;
}

static void gather_ring(struct checker *checker, struct dirty_ring *ring)
{
	struct dirty_ring_counts counts = dirty_ring_counts(ring);

	for (uint32_t n = counts.reset; n != counts.dirty; n++)
		gather_entry(checker, dirty_ring_entry(ring, n));
}

void check_logs(struct checker *checker)
{
	const struct tdp_vm *vm = checker->vm;
	const struct tdp_vcpu *vcpu;

	if (!vm->config.dirty_ring)
		return;
	for (unsigned int i = 0; i < vm->config.address_spaces; i++)
		empty_gathered(memslots_of(&checker->vm->memory, i));
	for (vcpu = vm_first_vcpu(checker->vm); vcpu; vcpu = vcpu->next)
		gather_ring(checker, vcpu->context.dirty_ring);
}

/* Is the page in a CPU's own log, from which a reader of the dirty log will drain it? */
static bool in_cpu_log(const struct checker *checker, unsigned int address_space, tdp_gfn_t gfn)
{
	const struct tdp_vcpu *vcpu;

	if (checker->mmu->policy.exit_keeps_log == TDP_ON)
		return false; /* no reader takes it from there */
	for (vcpu = vm_first_vcpu(checker->vm); vcpu; vcpu = vcpu->next) {
		const struct write_log *log = vcpu->context.write_log;

		if (!log || log->address_space != address_space)
			continue;
		for (uint32_t i = 0; i < u32_load_relaxed(&log->count); i++)
			if (log->pages[i].n == gfn.n)
				return true;
	}
	return false;
}

/* The CPU logs 4K pages, as it sets their leaves' dirty flags, and not for an L2 guest. */
static bool cpu_would_notice(const struct checker *checker, const struct met_entry *spot)
{
	return checker->mmu->policy.dirty_track == TDP_DIRTY_TRACK_DBIT && spot->level == TDP_4K &&
	       !(u32_load_relaxed(&spot->root->role) & ROLE_GUEST_MODE) &&
	       !(spot->entry & checker->encoding->dirty);
}

void check_logged(struct checker *checker, const struct met_entry *spot, const struct memslot *slot)
{
	uint64_t first = spot->gfn.n - slot->gfn.n, pages = tdp_level_pages(spot->level);

	/* No vCPU uses the leaves of an invalid root any more. */
	if (!slot->log || !(spot->entry & checker->encoding->write) ||
	    cpu_would_notice(checker, spot) || root_invalid(spot->root))
		return;
	for (uint64_t page = first; page < first + pages && page < slot->pages; page++) {
		if (is_marked(slot->log, page) ||
		    in_cpu_log(checker, spot->address_space, tdp_gfn(slot->gfn.n + page)))
			continue;
		violation_at(checker, TDP_INVARIANT_LOG, spot,
			     "the guest could write the leaf without a trace, and its page is not "
			     "in the dirty log");
		return;
	}
}
