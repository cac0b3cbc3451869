/*
 * Compares a leaf with the bits that its encoding allows, with the hardware's own checks,
 * with its slot and with the host's memory. Compares an MMIO entry with its place, its
 * generation and the slots: there must be a hole.
 */
#include <errno.h>

#include "check/checker.h"
#include "guest/slot_page.h"
#include "host/frame.h"

/* The A/D type depends on the role of the tree: an L2 guest's writes are logged differently. */
static uint64_t ad_type(const struct encoding *e, const struct met_entry *spot)
{
	bool guest_mode = u32_load_relaxed(&spot->root->role) & ROLE_GUEST_MODE;

	return guest_mode ? e->ad_type_guest_mode : e->ad_type;
}

/* All bits that a leaf at `level` may have, except the frame and the A/D type. */
static uint64_t leaf_bits(const struct encoding *e, unsigned int level)
{
	const struct format *format = e->format;
	uint64_t bits = e->mmu_present | e->present | e->user | e->exec | e->no_exec | e->write |
			e->accessed | e->dirty | e->host_writable | e->mmu_writable |
			format->memory_type | format->ignore_pat;

	if (level > TDP_4K)
		bits |= format->large;
	if (!e->hardware_ad)
		bits |= (e->access_track & ~e->write) << e->layout->saved_shift;
	return bits;
}

/* Bits that a leaf must have. An access-tracked leaf has lost R, W and X. */
static uint64_t leaf_needs(const struct encoding *e, uint64_t spte)
{
	uint64_t bits = e->mmu_present | e->present | e->user;

	return spte_access_tracked(e, spte) ? bits & ~e->access_track : bits;
}

static bool memory_type_known(const struct encoding *e, uint64_t spte)
{
	uint64_t type = spte & (e->format->memory_type | e->format->ignore_pat);

	return type == e->ram_type || type == e->device_type;
}

static void check_bits(struct checker *checker, const struct met_entry *spot)
{
	const struct encoding *e = checker->encoding;
	uint64_t spte = spot->entry, needs = leaf_needs(e, spte);

	if (spte & ~(leaf_bits(e, spot->level) | ENTRY_ADDRESS | e->ad_type_mask))
		violation_at(checker, TDP_INVARIANT_ENTRY, spot, "a leaf has bits that none has");
	else if ((spte & needs) != needs)
		violation_at(checker, TDP_INVARIANT_ENTRY, spot, "a leaf lacks bits that all have");
	else if ((spte & e->ad_type_mask) != ad_type(e, spot))
		violation_at(checker, TDP_INVARIANT_ENTRY, spot,
			     "a leaf whose A/D type is not that of its tree");
	else if (!memory_type_known(e, spte))
		violation_at(checker, TDP_INVARIANT_ENTRY, spot, "a leaf of no known memory type");
	else if (!spte_access_tracked(e, spte) &&
		 walker_is_misconfigured(spot->walker, spte, spot->level, true))
		violation_at(checker, TDP_INVARIANT_ENTRY, spot,
			     "a leaf that the hardware takes for misconfigured");
	else if (spte_pfn(spte).n & (tdp_level_pages(spot->level) - 1))
		violation_at(checker, TDP_INVARIANT_ENTRY, spot, "a leaf maps unaligned memory");
	if (!spte_writability_legal(e, spte))
		violation_at(checker, TDP_INVARIANT_WRITABILITY, spot,
			     "W needs MMU-writable, and that needs host-writable");
}

/* Returns false if there is no slot, so that the host's memory cannot be compared. */
static bool check_slot(struct checker *checker, const struct met_entry *spot,
		       const struct memslot *slot)
{
	const char *reason = NULL;

	if (!slot)
		reason = "a leaf where there is no slot";
	else if (slot->invalid)
		reason = "a leaf of a slot that is being deleted or moved";
	else if (spot->level > checker->mmu->limits.max_level)
		reason = "a leaf larger than the hardware knows";
	else if (!memslot_allows(slot, spot->gfn, spot->level))
		reason = "a leaf that sticks out of its slot, or is not aligned as its memory is";
	else if (slot->read_only && spte_host_writable(checker->encoding, spot->entry))
		reason = "a leaf of a read-only slot could be written";
	if (reason)
		violation_at(checker, TDP_INVARIANT_MAPPING, spot, reason);
	return slot != NULL;
}

/* Compares the leaf's first page with its page source, unless the source cannot peek. */
static void check_page(struct checker *checker, const struct met_entry *spot,
		       const struct memslot *slot)
{
	struct source_page page;
	int err = slot_page_peek(slot, spot->gfn, &page);

	if (err == -ENOENT)
		violation_at(checker, TDP_INVARIANT_MAPPING, spot,
			     "a leaf of memory that the process does not have");
	if (err)
		return;
	if (page.pfn.n != spte_pfn(spot->entry).n)
		violation_at(checker, TDP_INVARIANT_MAPPING, spot,
			     "the leaf's frame is not the one that the process has there");
	else if (!page.writable && spte_host_writable(checker->encoding, spot->entry))
		violation_at(checker, TDP_INVARIANT_MAPPING, spot,
			     "a writable leaf of memory that the process itself may not write");
}

static void check_host(struct checker *checker, const struct met_entry *spot,
		       const struct memslot *slot)
{
	const struct tdp_host *host = checker->vm->host;
	tdp_pfn_t first = spte_pfn(spot->entry);
	tdp_pfn_t last = tdp_pfn(first.n + tdp_level_pages(spot->level) - 1);

	if (!frame_data_in_use(host, first) || !frame_data_in_use(host, last)) {
		violation_at(checker, TDP_INVARIANT_MAPPING, spot,
			     "a leaf of memory that the host has not allocated");
		return;
	}
	if (spot->level > slot_page_level(slot, spot->gfn)) {
		violation_at(checker, TDP_INVARIANT_MAPPING, spot,
			     "a leaf larger than the host's own mapping");
		return;
	}
	check_page(checker, spot, slot);
}

void check_leaf(struct checker *checker, const struct met_entry *spot)
{
	const struct memslots *slots = memslots_of(&checker->vm->memory, spot->address_space);
	const struct memslot *slot = memslot_find(slots, spot->gfn);

	if (spot->level > TDP_LEAF_LEVEL_MAX) {
		violation_at(checker, TDP_INVARIANT_ENTRY, spot, "no leaf is as large as this");
		return;
	}
	checker->leaves[spot->level]++;
	check_bits(checker, spot);
	check_executable(checker, spot);
	if (check_slot(checker, spot, slot)) {
		check_host(checker, spot, slot);
		check_logged(checker, spot, slot);
	}
}

/*
 * The generation goes up with each change of the slots and everything is zapped
 * where its bits in an entry begin again, so a younger entry than the slots cannot be.
 */
void check_hole(struct checker *checker, const struct met_entry *spot)
{
	const struct memslots *slots = memslots_of(&checker->vm->memory, spot->address_space);
	uint64_t now = memslots_generation(slots) & checker->encoding->mmio_generation_mask;
	uint64_t then = spte_mmio_generation(checker->encoding, spot->entry);

	checker->mmio_entries++;
	if (spot->level != TDP_4K || spte_mmio_gfn(checker->encoding, spot->entry).n != spot->gfn.n)
		violation_at(checker, TDP_INVARIANT_ENTRY, spot, "an MMIO entry of another place");
	else if (then > now || (then ^ now) & (checker->vm->config.address_spaces - 1))
		violation_at(checker, TDP_INVARIANT_ENTRY, spot,
			     "an MMIO entry of a generation that lies in the future");
	else if (then == now && memslot_find(slots, spot->gfn))
		violation_at(checker, TDP_INVARIANT_MAPPING, spot,
			     "an MMIO entry that counts as current where there is a slot");
}
