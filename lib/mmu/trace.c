/* The MMU's events, filled in. See trace.h. */
#include "mmu/trace.h"

#include "mmu/fault.h"

void mmu_trace(struct mmu_actor *actor, struct tdp_trace_event *event)
{
	struct mmu *mmu = actor->mmu;

	event->vcpu = actor->vcpu;
	event->layout = mmu->policy.layout;
	if (actor->ring)
		trace_emit(&mmu->tracer, actor->ring, event);
	else
		trace_emit_shared(&mmu->tracer, &mmu->task_ring, event);
}

void trace_spte_changed(struct mmu_actor *actor, unsigned int address_space, tdp_gfn_t gfn,
			uint64_t old, uint64_t new, unsigned int level)
{
	mmu_trace(actor, &(struct tdp_trace_event){
				 .kind = TDP_TRACE_SPTE_CHANGED,
				 .spte_changed = {.gfn = gfn.n,
						  .old_entry = old,
						  .new_entry = new,
						  .level = (uint8_t)level,
						  .address_space = (uint8_t)address_space}});
}

void trace_page(struct mmu_actor *actor, enum tdp_trace_kind kind, const struct table *table,
		bool created)
{
	mmu_trace(actor, &(struct tdp_trace_event){
				 .kind = kind,
				 .page = {.gfn = table->gfn.n,
					  .pfn = table_pfn(actor->mmu->host, table).n,
					  .role = role_word(u32_load_relaxed(&table->role),
							    actor->mmu->policy.layout),
					  .root_count = u32_load_relaxed(&table->references),
					  .generation = table->zap_scheduled,
					  .created = created}});
}

void trace_spte_requested(struct mmu_actor *actor, tdp_gfn_t gfn, uint64_t pfn, unsigned int level)
{
	mmu_trace(actor, &(struct tdp_trace_event){
				 .kind = TDP_TRACE_SPTE_REQUESTED,
				 .spte_requested = {
					 .gfn = gfn.n,
					 .pfn = pfn,
					 .level = (uint8_t)level,
					 .access = role_access(mmu_context_of(actor)->role.word)}});
}

void trace_set_spte(struct mmu_actor *actor, const struct spot *spot, uint64_t spte)
{
	const struct encoding *e = &actor->mmu->encoding;
	mmu_trace(actor,
		  &(struct tdp_trace_event){
			  .kind = TDP_TRACE_SET_SPTE,
			  .set_spte = {.gfn = spot->gfn.n,
				       .entry = spte,
				       .entry_at = entry_address(actor->mmu->host, spot->slot),
				       .level = (uint8_t)spot->level,
				       .readable = e->present || (spte & 1),
				       .writable = spte & e->write,
				       .executable = spte_executable(e, spte),
				       .user = (spte & e->layout->user_shown) != 0}});
}

void trace_mark_mmio(struct mmu_actor *actor, const struct spot *spot, uint64_t spte)
{
	const struct encoding *e = &actor->mmu->encoding;

	mmu_trace(actor,
		  &(struct tdp_trace_event){
			  .kind = TDP_TRACE_MARK_MMIO_SPTE,
			  .mark_mmio = {.gfn = spot->gfn.n,
					.entry_at = entry_address(actor->mmu->host, spot->slot),
					.access = (uint32_t)(spte & e->layout->mmio_access_shown),
					.generation = (uint32_t)spte_mmio_generation(e, spte)}});
}

void trace_check_mmio(struct mmu_actor *actor, uint64_t spte, uint64_t generation, bool valid)
{
	mmu_trace(actor, &(struct tdp_trace_event){
				 .kind = TDP_TRACE_CHECK_MMIO_SPTE,
				 .check_mmio = {.entry = spte,
						.vm_generation = (uint32_t)generation,
						.entry_generation = (uint32_t)spte_mmio_generation(
							&actor->mmu->encoding, spte),
						.valid = valid}});
}

void trace_handle_mmio(struct mmu_actor *actor, uint64_t spte, uint64_t address)
{
	const struct encoding *e = &actor->mmu->encoding;

	mmu_trace(actor, &(struct tdp_trace_event){
				 .kind = TDP_TRACE_HANDLE_MMIO_PAGE_FAULT,
				 .handle_mmio = {.address = address,
						 .gfn = spte_mmio_gfn(e, spte).n,
						 .access = (uint32_t)(spte & e->mmio_access)}});
}

void trace_split(struct mmu_actor *actor, const struct spot *spot, uint64_t huge, int error)
{
	mmu_trace(actor, &(struct tdp_trace_event){.kind = TDP_TRACE_SPLIT_HUGE_PAGE,
						   .split = {.gfn = spot->gfn.n,
							     .entry = huge,
							     .level = (int)spot->level,
							     .error = error}});
}

void trace_flush(struct mmu_actor *actor, tdp_gfn_t gfn, uint64_t pages)
{
	mmu_trace(actor, &(struct tdp_trace_event){.kind = TDP_TRACE_FLUSH,
						   .flush = {.gfn = gfn.n, .pages = pages}});
}

void trace_load_root(struct mmu_actor *actor, const struct table *root)
{
	uint32_t role = u32_load_relaxed(&root->role);

	mmu_trace(actor, &(struct tdp_trace_event){
				 .kind = TDP_TRACE_LOAD_ROOT,
				 .load_root = {.root = table_pfn(actor->mmu->host, root).n
						       << TDP_PAGE_SHIFT,
					       .level = role_level(role),
					       .address_space = role_address_space(role)}});
}

void trace_zap_all_fast(struct mmu_actor *actor)
{
	mmu_trace(actor,
		  &(struct tdp_trace_event){
			  .kind = TDP_TRACE_ZAP_ALL_FAST,
			  .zap_all_fast = {.generation = actor->mmu->pages.shadow_generation}});
}

void trace_unmap_hva(struct mmu_actor *actor, uint64_t start, uint64_t end)
{
	mmu_trace(actor, &(struct tdp_trace_event){.kind = TDP_TRACE_UNMAP_HVA_RANGE,
						   .unmap_hva = {.start = start, .end = end}});
}

void trace_mark_dirty(struct mmu_actor *actor, const struct memslot *slot, tdp_gfn_t gfn)
{
	mmu_trace(actor, &(struct tdp_trace_event){
				 .kind = TDP_TRACE_MARK_DIRTY,
				 .mark_dirty = {.gfn = gfn.n, .slot = slot ? slot->id : 0}});
}

void trace_age_hva(struct mmu_actor *actor, uint64_t start, uint64_t end)
{
	mmu_trace(actor, &(struct tdp_trace_event){.kind = TDP_TRACE_AGE_HVA,
						   .age_hva = {.start = start, .end = end}});
}

void trace_test_age_hva(struct mmu_actor *actor, uint64_t hva)
{
	mmu_trace(actor, &(struct tdp_trace_event){.kind = TDP_TRACE_TEST_AGE_HVA,
						   .test_age_hva = {.hva = hva}});
}

void trace_dirty_ring_push(struct mmu_actor *actor, const struct mmu_context *context,
			   const struct dirty_ring_entry *entry, struct dirty_ring_counts counts)
{
	mmu_trace(actor,
		  &(struct tdp_trace_event){
			  .kind = TDP_TRACE_DIRTY_RING_PUSH,
			  .dirty_ring = {.ring = (unsigned int)context->actor.vcpu,
					 .dirty = counts.dirty,
					 .reset = counts.reset,
					 .slot = (uint32_t)entry->address_space << 16 | entry->slot,
					 .offset = entry->offset}});
}

void trace_dirty_ring_reset(struct mmu_actor *actor, const struct mmu_context *context,
			    struct dirty_ring_counts counts)
{
	mmu_trace(actor, &(struct tdp_trace_event){
				 .kind = TDP_TRACE_DIRTY_RING_RESET,
				 .dirty_ring = {.ring = (unsigned int)context->actor.vcpu,
						.dirty = counts.dirty,
						.reset = counts.reset}});
}

void trace_dirty_ring_exit(struct mmu_actor *actor)
{
	mmu_trace(actor, &(struct tdp_trace_event){.kind = TDP_TRACE_DIRTY_RING_EXIT});
}

int fault_step_number(const struct mmu *mmu, int step)
{
	enum tdp_ret_pf_policy numbers = mmu->policy.ret_pf;

	if (step < 0 || numbers == TDP_RET_PF_WRITE_PROTECTED)
		return step;
	if (step > STEP_WRITE_PROTECTED)
		step--;
	return numbers == TDP_RET_PF_FROM_0 ? step - 1 : step;
}
