/* The CPU's own logs of written pages. See cpu_log.h. */
#include "mmu/cpu_log.h"

#include <errno.h>

#include "mmu/flush.h"
#include "mmu/mark.h"

int cpu_log_create(struct mmu_context *context, struct mmu *mmu)
{
	if (mmu->policy.dirty_track != TDP_DIRTY_TRACK_DBIT)
		return 0;
	context->write_log = host_allocate(mmu->host, sizeof(*context->write_log));
	if (!context->write_log)
		return -ENOMEM;
	write_log_init(context->write_log);
	return 0;
}

void cpu_log_destroy(struct mmu_context *context, struct mmu *mmu)
{
	host_release(mmu->host, context->write_log, sizeof(*context->write_log));
	context->write_log = NULL;
}

/*
 * Marks the pages in the log. Until 6.13 the youngest came first: the CPU fills the log downwards,
 * and KVM read it upwards (37c3ddfe5238).
 */
static void mark_all(struct mmu_actor *actor, struct mmu_context *context, uint32_t count)
{
	struct mmu *mmu = actor->mmu;
	const struct write_log *log = context->write_log;
	const struct memslots *slots = memslots_of(mmu->memory, log->address_space);
	bool youngest_first = mmu->policy.log_youngest_first == TDP_ON;

	for (uint32_t i = 0; i < count; i++) {
		tdp_gfn_t page = log->pages[youngest_first ? count - 1 - i : i];

		mmu_mark_dirty_by(actor, context, memslot_find(slots, page), page);
	}
}

void cpu_log_drain(struct mmu_actor *actor, struct mmu_context *context)
{
	struct write_log *log = context->write_log;

	/* Acquire: an actor that has just emptied it has made its marks. */
	if (!log || !u32_load_acquire(&log->count))
		return;
	mmu_read_begin(actor);
	spinlock_lock(&log->lock);
	mark_all(actor, context, u32_load_relaxed(&log->count));
	u32_store_release(&log->count, 0);
	spinlock_unlock(&log->lock);
	mmu_read_end(actor);
}

void cpu_log_drain_now(struct mmu_actor *actor, struct mmu_context *context)
{
	if (!context->write_log)
		return;
	mmu_kick(context);
	cpu_log_drain(actor, context);
}

void cpu_logs_drain(struct mmu_actor *actor)
{
	struct mmu *mmu = actor->mmu;
	struct mmu_context *context;

	if (mmu->policy.dirty_track != TDP_DIRTY_TRACK_DBIT)
		return;
	mmu_kick_all(actor);
	if (mmu->policy.exit_keeps_log == TDP_ON)
		return;
	for (context = ptr_load_acquire(&mmu->vcpus.youngest); context; context = context->next)
		cpu_log_drain(actor, context);
}

void cpu_log_change_role(struct mmu_context *context, uint32_t role)
{
	struct write_log *log = context->write_log;

	if (!log)
		return;
	if (context->actor.mmu->policy.exit_keeps_log != TDP_ON || !role_address_space(role))
		cpu_log_drain(&context->actor, context);
	spinlock_lock(&log->lock);
	log->address_space = role_address_space(role);
	spinlock_unlock(&log->lock);
}

void cpu_logs_switch(struct mmu_actor *actor, bool logged)
{
	struct mmu *mmu = actor->mmu;
	uint32_t others = u32_add_seq_cst(&mmu->watched.logged_slots, logged ? 1 : (uint32_t)-1);

	if (mmu->policy.dirty_track == TDP_DIRTY_TRACK_DBIT && others == (logged ? 0 : 1))
		mmu_kick_all(actor);
}
