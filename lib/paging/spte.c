/* SPTEs: the encodings that take more than a mask. See spte.h. */
#include "paging/spte.h"

#include "platform/check.h"

/* A generation's low bits stand from bit 3 on, its high bits from bit 52 on. */
#define MMIO_LOW_SHIFT	3
#define MMIO_HIGH_SHIFT 52
#define MMIO_HIGH_BITS	11

#define L1TF_GUARD_BITS 5

static void init_accessed_dirty(struct encoding *e, const struct encoding_config *config)
{
	const struct format *format = config->format;
	bool kept = config->hardware_ad || config->software_ad;

	e->accessed = kept ? format->accessed : 0;
	e->dirty = kept ? format->dirty : 0;
	e->ad_type_mask = 3ULL << e->layout->ad_type_shift;
	e->ad_type_disabled = (uint64_t)AD_DISABLED << e->layout->ad_type_shift;
	e->ad_type = config->hardware_ad ? 0 : e->ad_type_disabled;
	e->ad_type_guest_mode = e->ad_type;
	if (config->hardware_ad && config->cpu_logs_writes)
		e->ad_type_guest_mode = (uint64_t)AD_WRPROT_ONLY << e->layout->ad_type_shift;
}

static void init_mmio(struct encoding *e, const struct encoding_config *config)
{
	e->mmio_caching = config->mmio_caching;
	e->mmio_mask = config->format->mmio_mask;
	e->mmio_value = config->format->mmio_value;
	e->mmio_access = config->format->mmio_access;
	if (config->gmet)
		e->mmio_access &= ~config->format->user;
	e->mmio_generation_mask = (1ULL << (e->layout->mmio_low_bits + MMIO_HIGH_BITS)) - 1;
	/* Moved up, the guarded bits must still lie below the generation (spte.c, 6.12). */
	if (config->l1tf_width && config->l1tf_width < 52 - L1TF_GUARD_BITS)
		e->l1tf_guard = ((1ULL << L1TF_GUARD_BITS) - 1)
				<< (config->l1tf_width - L1TF_GUARD_BITS);
}

void encoding_init(struct encoding *e, const struct encoding_config *config)
{
	const struct format *format = config->format;
	const struct layout *layout =
		config->layout ? config->layout : layout_of(TDP_ENTRY_LAYOUT_5_13, format->id);
	uint64_t suppress_ve = config->suppress_ve ? format->suppress_ve : 0;
	bool read_is_free = config->execute_only || (layout->read_by_access && format->suppress_ve);
	uint64_t user = format->user ? format->user : format->read;

	*e = (struct encoding){
		.format = format,
		.layout = layout,
		.present = suppress_ve | (read_is_free ? 0 : format->read),
		.user = config->gmet ? 0 : user,
		.exec = layout->exec,
		.no_exec = format->no_exec,
		.write = format->write,
		.ram_type = format->memory_type_wb | format->ignore_pat,
		.host_writable = layout->host_writable,
		.mmu_writable = layout->mmu_writable,
		.mmu_present = layout->mmu_present,
		.table_mask = layout->mmu_present | format->large,
		.access_track = layout->access_track,
		.hardware_ad = config->hardware_ad,
		.dirty_at_birth = config->dirty_at_birth,
		.lockless_age = config->lockless_age,
	};
	/* Bit 63 of the non-present value exists on NPT too, where it means NX. */
	e->nonpresent = config->suppress_ve ? 1ULL << 63 : 0;
	e->frozen = e->nonpresent | layout->frozen;
	if (config->lockless_age && config->hardware_ad)
		e->frozen_loses = format->accessed & layout->frozen;
	init_accessed_dirty(e, config);
	init_mmio(e, config);
	e->table_bits = e->mmu_present | e->present | user | e->exec | e->write | e->ad_type |
			(config->hardware_ad ? format->accessed : 0);
}

bool spte_volatile(const struct encoding *e, uint64_t spte, unsigned int level)
{
	if (!spte_leaf(e, spte, level))
		return false;
	if (!spte_writable(e, spte) && spte_mmu_writable(e, spte))
		return true; /* a fast page fault may make it writable */
	if (!spte_ad_enabled(e, spte))
		return e->lockless_age || spte_access_tracked(e, spte);
	if (spte_writable(e, spte) && !(spte & e->format->dirty))
		return true;
	return !e->lockless_age && !(spte & e->format->accessed);
}

/*
 * Until 6.12 a leaf that replaced a writable one began clean. Only the bare bits of the old value
 * count, so an old MMIO entry (bit 1 set) counts as a writable leaf too (is_writable_pte() in
 * make_spte(), 6.1 and 6.12).
 */
static bool born_dirty(const struct encoding *e, const struct leaf *leaf)
{
	bool was_last = leaf->level == 1 || (leaf->old & e->format->large);

	return e->dirty_at_birth || !(was_last && (leaf->old & e->write));
}

uint64_t spte_make_leaf(const struct encoding *e, const struct leaf *leaf)
{
	uint64_t spte = e->mmu_present | e->present | e->user;

	spte |= leaf->guest_mode ? e->ad_type_guest_mode : e->ad_type;
	if (!leaf->prefetch)
		spte |= e->accessed;
	spte |= leaf->no_exec ? e->no_exec : e->exec;
	if (leaf->level > 1)
		spte |= e->format->large;
	spte |= leaf->device ? e->device_type : e->ram_type;
	spte |= leaf->pfn.n << TDP_PAGE_SHIFT;
	if (leaf->writable) {
		spte |= e->host_writable | e->mmu_writable | e->write;
		if (born_dirty(e, leaf))
			spte |= e->dirty;
	}
	return leaf->prefetch ? spte_to_tracked(e, spte) : spte;
}

/* Without W: MMU-writable says whether it may come back. */
static uint64_t saved_bits(const struct encoding *e)
{
	return e->access_track & ~e->write;
}

uint64_t spte_to_tracked(const struct encoding *e, uint64_t spte)
{
	if (spte_ad_enabled(e, spte))
		return spte & ~e->format->accessed;
	if (spte_access_tracked(e, spte))
		return spte;
	DCHECK(!(spte & saved_bits(e) << e->layout->saved_shift));
	spte |= (spte & saved_bits(e)) << e->layout->saved_shift;
	return spte & ~(e->access_track | e->accessed);
}

uint64_t spte_restore(const struct encoding *e, uint64_t spte)
{
	uint64_t saved = spte >> e->layout->saved_shift & saved_bits(e);

	spte &= ~(e->access_track | saved_bits(e) << e->layout->saved_shift);
	return spte | saved;
}

/* modify_spte_protections(), spte.c of the 7.0 cycle: an old leaf keeps its form. */
static uint64_t change_rights(const struct encoding *e, uint64_t spte, uint64_t set, uint64_t clear)
{
	bool tracked = spte_access_tracked(e, spte);

	if (tracked)
		spte = spte_restore(e, spte);
	spte = (spte | set) & ~clear;
	return tracked ? spte_to_tracked(e, spte) : spte;
}

uint64_t spte_make_executable(const struct encoding *e, uint64_t spte)
{
	return change_rights(e, spte, e->exec, e->no_exec);
}

uint64_t spte_make_nonexecutable(const struct encoding *e, uint64_t spte)
{
	return change_rights(e, spte, e->no_exec, e->exec);
}

uint64_t spte_small_from_huge(const struct encoding *e, uint64_t huge, unsigned int level,
			      unsigned int index, bool nx)
{
	uint64_t small = huge + (index * tdp_level_bytes(level - 1));

	DCHECK(level > 1);
	if (level - 1 > 1)
		return small;
	small &= ~e->format->large;
	return nx ? spte_make_executable(e, small) : small;
}

uint64_t spte_huge_from_small(const struct encoding *e, uint64_t small, unsigned int level, bool nx)
{
	uint64_t within = ENTRY_ADDRESS & (tdp_level_bytes(level) - 1);
	uint64_t huge = (small & ~within) | e->format->large;

	return nx ? spte_make_nonexecutable(e, huge) : huge;
}

uint64_t spte_make_mmio(const struct encoding *e, tdp_gfn_t gfn, uint64_t generation)
{
	uint64_t gpa = gfn.n << TDP_PAGE_SHIFT;
	unsigned int low_bits = e->layout->mmio_low_bits;
	uint64_t low = generation & ((1ULL << low_bits) - 1);
	uint64_t high = (generation & e->mmio_generation_mask) >> low_bits;
	uint64_t spte = low << MMIO_LOW_SHIFT | high << MMIO_HIGH_SHIFT;

	spte |= e->mmio_value | (gpa & ~e->l1tf_guard) | e->l1tf_guard;
	spte |= (gpa & e->l1tf_guard) << L1TF_GUARD_BITS;
	return spte | e->mmio_access;
}

uint64_t spte_mmio_generation(const struct encoding *e, uint64_t spte)
{
	unsigned int low_bits = e->layout->mmio_low_bits;
	uint64_t low = spte >> MMIO_LOW_SHIFT & ((1ULL << low_bits) - 1);
	uint64_t high = spte >> MMIO_HIGH_SHIFT & ((1ULL << MMIO_HIGH_BITS) - 1);

	return high << low_bits | low;
}

tdp_gfn_t spte_mmio_gfn(const struct encoding *e, uint64_t spte)
{
	uint64_t frame = spte & ENTRY_ADDRESS & ~e->mmio_value;
	uint64_t moved = spte >> L1TF_GUARD_BITS & e->l1tf_guard;

	frame &= ~(e->l1tf_guard | e->l1tf_guard << L1TF_GUARD_BITS);
	return tdp_gfn((frame | moved) >> TDP_PAGE_SHIFT);
}
