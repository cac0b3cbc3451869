/* Dirty logging: marking pages, and a slot's flag. See dirty.h. */
#include "mmu/dirty.h"

#include "mmu/cpu_log.h"
#include "mmu/flush.h"
#include "mmu/protect.h"
#include "mmu/recover.h"
#include "mmu/split.h"
#include "mmu/trace.h"

static unsigned int lowest(uint64_t mask)
{
	return (unsigned int)__builtin_ctzll(mask);
}

static unsigned int highest(uint64_t mask)
{
	return 63 - (unsigned int)__builtin_clzll(mask);
}

void mmu_dirty_pass_begin(struct mmu *mmu)
{
	u32_add_acq_rel(&mmu->logging.flushes_owed, 1);
}

void mmu_dirty_pass_end(struct mmu *mmu)
{
	u32_add_acq_rel(&mmu->logging.flushes_owed, (uint32_t)-1);
}

static void flush_and_end(struct mmu_actor *task, const struct memslot *slot, bool flush)
{
	if (flush)
		mmu_flush_range(task, slot->gfn, slot->pages);
	mmu_dirty_pass_end(task->mmu);
}

/*
 * A log that begins with every page marked may hold leaves that no pass protected when logging
 * began. They are found here, when the first marks of a page are taken
 * (kvm_arch_mmu_enable_log_dirty_pt_masked()).
 */
static void protect_huge_ends(struct mmu_exclusive exclusive, const struct memslot *slot,
			      tdp_gfn_t first, tdp_gfn_t last)
{
	mmu_protect_huge(exclusive, slot, first);
	if (tdp_gfn_round(first, TDP_2M).n != tdp_gfn_round(last, TDP_2M).n)
		mmu_protect_huge(exclusive, slot, last);
}

/* Marks of 64 pages from page `first` on have been taken: `mask`, not 0. */
static void protect_again(struct mmu_exclusive exclusive, const struct memslot *slot,
			  uint64_t first, uint64_t mask)
{
	const struct mmu *mmu = exclusive.held.actor->mmu;
	uint64_t gfn = slot->gfn.n + first;

	if (mmu->logging.manual_protect == TDP_MANUAL_PROTECT_ALL_SET) {
		mmu_split_masked(exclusive, slot, first, mask);
		protect_huge_ends(exclusive, slot, tdp_gfn(gfn + lowest(mask)),
				  tdp_gfn(gfn + highest(mask)));
	}
	mmu_protect_pages(exclusive, slot, first, mask);
}

void mmu_dirty_protect(struct mmu_actor *task, const struct memslot *slot, uint64_t first,
		       uint64_t mask)
{
	struct mmu_exclusive exclusive = mmu_lock_exclusive(task);

	protect_again(exclusive, slot, first, mask);
	mmu_unlock_exclusive(exclusive);
}

static void copy_marks(const struct memslot *slot, uint64_t *bitmap)
{
	for (size_t word = 0; word < slot->log->words; word++)
		bitmap[word] = dirty_log_peek(slot->log, word);
}

/* True: there were some. */
static bool take_marks(struct mmu_exclusive exclusive, const struct memslot *slot, uint64_t *bitmap)
{
	bool any = false;

	for (size_t word = 0; word < slot->log->words; word++) {
		bitmap[word] = 0;
		if (!dirty_log_peek(slot->log, word))
			continue;
		bitmap[word] = dirty_log_take(slot->log, word);
		protect_again(exclusive, slot, word * LOG_WORD_PAGES, bitmap[word]);
		any = true;
	}
	return any;
}

void mmu_dirty_log_read(struct mmu_actor *task, const struct memslot *slot, uint64_t *bitmap)
{
	struct mmu_exclusive exclusive;
	bool flush;

	cpu_logs_drain(task);
	if (task->mmu->logging.manual_protect != TDP_MANUAL_PROTECT_OFF) {
		copy_marks(slot, bitmap);
		return;
	}
	mmu_dirty_pass_begin(task->mmu);
	exclusive = mmu_lock_exclusive(task);
	flush = take_marks(exclusive, slot, bitmap);
	mmu_unlock_exclusive(exclusive);
	flush_and_end(task, slot, flush);
}

/* True: marks were taken. */
static bool clear_marks(struct mmu_exclusive exclusive, const struct memslot *slot, uint64_t first,
			uint64_t pages, const uint64_t *bitmap)
{
	bool any = false;

	for (uint64_t done = 0; done < pages; done += LOG_WORD_PAGES) {
		uint64_t mask = bitmap[done / LOG_WORD_PAGES];

		if (mask)
			mask = dirty_log_take_masked(slot->log, (first + done) / LOG_WORD_PAGES,
						     mask);
		if (mask)
			protect_again(exclusive, slot, first + done, mask);
		any |= mask != 0;
	}
	return any;
}

void mmu_dirty_log_clear(struct mmu_actor *task, const struct memslot *slot, uint64_t first,
			 uint64_t pages, const uint64_t *bitmap)
{
	struct mmu_exclusive exclusive;
	bool flush;

	cpu_logs_drain(task);
	mmu_dirty_pass_begin(task->mmu);
	exclusive = mmu_lock_exclusive(task);
	flush = clear_marks(exclusive, slot, first, pages, bitmap);
	mmu_unlock_exclusive(exclusive);
	flush_and_end(task, slot, flush);
}

void mmu_dirty_log_enabled(struct mmu_actor *task, const struct memslot *slot)
{
	struct mmu_shared shared;

	/* Every page is marked: no write needs to be noticed before its mark is taken. */
	if (task->mmu->logging.manual_protect == TDP_MANUAL_PROTECT_ALL_SET)
		return;
	mmu_split_slot(task, slot);
	mmu_dirty_pass_begin(task->mmu);
	shared = mmu_lock_shared(task);
	mmu_protect_slot(shared, slot);
	mmu_unlock_shared(shared);
	flush_and_end(task, slot, true); /* D4: whether a leaf was found or not */
}

void mmu_dirty_log_disabled(struct mmu_actor *task, const struct memslot *slot)
{
	mmu_recover_slot(task, slot);
}
