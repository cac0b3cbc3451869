#include "dirtylog/log.h"

#include "common/memory.h"
#include "dirtylog/bits.h"

#define TAKE_AT_ONCE 512

void log_init(struct log *log, const struct dirtylog *options)
{
	*log = (struct log){.options = options};
	if (options->log == LOG_RING)
		log->taken = must_calloc_aligned(_Alignof(struct log_taken), options->guest.vcpus,
						 sizeof(*log->taken));
}

void log_fini(struct log *log)
{
	for (unsigned int i = 0; log->taken && i < log->options->guest.vcpus; i++)
		free(log->taken[i].pages);
	for (unsigned int i = 0; log->bitmaps && i < log->options->guest.slots; i++)
		free(log->bitmaps[i]);
	free(log->taken);
	free(log->bitmaps);
}

void log_begin(struct log *log, const struct guest *guest)
{
	unsigned int slots = guest->options.slots;

	log->guest = guest;
	log->bitmaps = must_calloc(slots, sizeof(*log->bitmaps));
	for (unsigned int i = 0; log->options->log == LOG_BITMAP && i < slots; i++)
		log->bitmaps[i] = must_calloc(tdp_dirty_log_words(guest_slot(guest, i).pages),
					      sizeof(**log->bitmaps));
}

static int set_logging(struct log *log, bool on)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < log->guest->options.slots; i++) {
		struct tdp_memslot slot = guest_slot(log->guest, i);

		slot.log_dirty = on;
		err = tdp_vm_set_memslot(log->guest->vm, &slot);
	}
	return err;
}

int log_enable(struct log *log)
{
	return set_logging(log, true);
}

int log_disable(struct log *log)
{
	return set_logging(log, false);
}

static int get_bitmaps(struct log *log)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < log->guest->options.slots; i++) {
		struct tdp_memslot slot = guest_slot(log->guest, i);

		err = tdp_vm_get_dirty_log(log->guest->vm, 0, slot.id, log->bitmaps[i],
					   tdp_dirty_log_words(slot.pages));
	}
	return err;
}

static int clear_bitmaps(struct log *log)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < log->guest->options.slots; i++) {
		struct tdp_memslot slot = guest_slot(log->guest, i);

		err = tdp_vm_clear_dirty_log(log->guest->vm, 0, slot.id, 0, slot.pages,
					     log->bitmaps[i]);
	}
	return err;
}

/* Takes all entries of the ring. */
static void take(struct log *log, unsigned int vcpu)
{
	struct log_taken *taken = &log->taken[vcpu];
	size_t count;

	do {
		if (taken->room - taken->count < TAKE_AT_ONCE) {
			taken->room = 2 * taken->room + TAKE_AT_ONCE;
			taken->pages =
				must_reallocarray(taken->pages, taken->room, sizeof(*taken->pages));
		}
		count = tdp_vcpu_harvest_dirty_ring(log->guest->vcpus[vcpu],
						    taken->pages + taken->count, TAKE_AT_ONCE);
		taken->count += count;
	} while (count);
}

int log_make_room(struct log *log, unsigned int vcpu)
{
	log->taken[vcpu].times++;
	take(log, vcpu);
	return tdp_vm_reset_dirty_rings(log->guest->vm, NULL);
}

uint64_t log_rings_full(const struct log *log)
{
	uint64_t times = 0;

	for (unsigned int i = 0; log->taken && i < log->options->guest.vcpus; i++)
		times += log->taken[i].times;
	return times;
}

int log_get(struct log *log)
{
	if (log->options->log == LOG_BITMAP)
		return get_bitmaps(log);
	for (unsigned int i = 0; i < log->options->guest.vcpus; i++)
		take(log, i);
	return 0;
}

int log_clear(struct log *log)
{
	if (log->options->log == LOG_BITMAP)
		return clear_bitmaps(log);
	return tdp_vm_reset_dirty_rings(log->guest->vm, NULL);
}

/* The first page of a slot. */
static uint64_t first_page(const struct tdp_memslot *slot)
{
	return slot->gfn.n - (GUEST_BASE >> TDP_PAGE_SHIFT);
}

static void bitmap_reported(const struct tdp_memslot *slot, const uint64_t *bitmap,
			    uint64_t *reported)
{
	for (size_t word = 0; word < tdp_dirty_log_words(slot->pages); word++)
		for (uint64_t left = bitmap[word]; left; left &= left - 1)
			bit_set(reported,
				first_page(slot) + 64 * word + (unsigned int)__builtin_ctzll(left));
}

void log_reported(struct log *log, uint64_t *reported)
{
	for (unsigned int i = 0; !log->taken && i < log->guest->options.slots; i++) {
		struct tdp_memslot slot = guest_slot(log->guest, i);

		bitmap_reported(&slot, log->bitmaps[i], reported);
	}
	for (unsigned int i = 0; log->taken && i < log->options->guest.vcpus; i++) {
		struct log_taken *taken = &log->taken[i];

		for (size_t j = 0; j < taken->count; j++) {
			struct tdp_memslot slot = guest_slot(log->guest, taken->pages[j].slot - 1);

			bit_set(reported, first_page(&slot) + taken->pages[j].offset);
		}
		taken->count = 0;
		taken->times = 0;
	}
}
