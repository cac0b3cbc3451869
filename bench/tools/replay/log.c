#include "log.h"

#include "survey.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdpsim/dirty.h>

#define CAP_DIRTY_LOG_PROTECT 168
#define CAP_DIRTY_RING	      192
#define PROTECT_ALL_SET	      3 /* argument: protect on demand, and all set at the start */
#define RING_ENTRY_BYTES      16
#define RING_ENTRY_DIRTY      1
#define AS_ID_SHIFT	      16

void log_configure(struct replay *replay, struct tdp_vm_config *config, struct tdp_policy *policy)
{
	const struct settings *settings = &replay->settings;
	uint64_t protect = survey_capability(replay->trace, CAP_DIRTY_LOG_PROTECT);

	if (protect)
		config->manual_protect = protect == PROTECT_ALL_SET ? TDP_MANUAL_PROTECT_ALL_SET
								    : TDP_MANUAL_PROTECT_ON;
	replay->ring_size = survey_capability(replay->trace, CAP_DIRTY_RING) / RING_ENTRY_BYTES;
	config->dirty_ring = (unsigned int)replay->ring_size;
	if (config->format == TDP_EPT && !settings->value[SETTING_PML])
		policy->dirty_track = TDP_DIRTY_TRACK_WRPROT;
}

/* The slot that the call names, or NULL and the replay lost. */
static const struct slot *slot_of(struct replay *replay, const struct event *event)
{
	const struct slot *slot = slots_at(&replay->slots, event->u.log.as_id, event->u.log.slot);

	if (replay->vm && slot)
		return slot;
	replay_lose(replay, event->line, "this slot's log cannot be replayed");
	return NULL;
}

static bool bit(const uint64_t *bitmap, uint64_t page)
{
	return bitmap[page / 64] >> page % 64 & 1;
}

/* "0x40000+8 0x40010+4", as the program under KVM prints what it read; the number of pages. */
static uint64_t print_pages(FILE *text, const struct slot *slot, const uint64_t *bitmap)
{
	uint64_t pages = slot->bytes >> TDP_PAGE_SHIFT, count = 0, end;

	for (uint64_t page = 0; page < pages; page = end) {
		end = page + 1;
		if (!bit(bitmap, page))
			continue;
		while (end < pages && bit(bitmap, end))
			end++;
		fprintf(text, "%s0x%" PRIx64 "+%" PRIu64, count ? " " : "",
			(slot->gpa >> TDP_PAGE_SHIFT) + page, end - page);
		count += end - page;
	}
	return count;
}

static void meet_pages(struct replay *replay, const struct slot *slot, const uint64_t *bitmap,
		       int err)
{
	struct event ours = {.kind = EVENT_LOG_RESULT};
	char *list = NULL;
	size_t length = 0;
	FILE *text = open_memstream(&list, &length);

	if (!text) {
		replay_fail(replay, -ENOMEM, "no memory for the dirty pages");
		return;
	}
	if (!err)
		ours.u.log_result.dirty = print_pages(text, slot, bitmap);
	fclose(text);
	ours.u.log_result.rc = err ? -1 : 0;
	ours.u.log_result.err = -err;
	ours.u.log_result.has_pages = true;
	ours.text = list;
	ours.length = length;
	replay_meet(replay, &ours);
	free(list);
}

void log_read(struct replay *replay, const struct event *event)
{
	const struct slot *slot = slot_of(replay, event);
	size_t words;
	uint64_t *bitmap;
	int err;

	if (!slot)
		return;
	replay_take(replay);
	words = tdp_dirty_log_words(slot->bytes >> TDP_PAGE_SHIFT);
	bitmap = calloc(words + 1, sizeof(*bitmap));
	if (!bitmap) {
		replay_fail(replay, -ENOMEM, "no memory for the dirty pages");
		return;
	}
	err = tdp_vm_get_dirty_log(replay->vm, event->u.log.as_id, event->u.log.slot, bitmap,
				   words);
	meet_pages(replay, slot, bitmap, err);
	free(bitmap);
}

/* All bits set, for `pages` pages. */
static int clear_pages(struct replay *replay, const struct event *event)
{
	size_t words = tdp_dirty_log_words(event->u.log.pages) + 1;
	uint64_t *bitmap = malloc(words * sizeof(*bitmap));
	int err;

	if (!bitmap)
		return -ENOMEM;
	memset(bitmap, 0xff, words * sizeof(*bitmap));
	err = tdp_vm_clear_dirty_log(replay->vm, event->u.log.as_id, event->u.log.slot,
				     event->u.log.first, event->u.log.pages, bitmap);
	free(bitmap);
	return err;
}

void log_clear(struct replay *replay, const struct event *event)
{
	struct event ours = {.kind = EVENT_LOG_RESULT};
	const struct slot *slot = slot_of(replay, event);
	int err = -EINVAL;

	if (!slot)
		return;
	replay_take(replay);
	if (event->u.log.pages <= slot->bytes >> TDP_PAGE_SHIFT)
		err = clear_pages(replay, event);
	if (err == -ENOMEM) {
		replay_fail(replay, err, "no memory for the dirty pages");
		return;
	}
	ours.u.log_result.rc = err ? -1 : 0;
	ours.u.log_result.err = -err;
	replay_meet(replay, &ours);
}

/*
 * User space reads entry after entry and marks those that are dirty as harvested. What an
 * entry that is not dirty holds is left over from the round before, or nothing.
 */
void log_read_ring(struct replay *replay, const struct event *event)
{
	struct event ours = {.kind = EVENT_RING_ENTRY};
	struct tdp_dirty_page page;

	if (!replay->vm || !replay->cpu_count || !replay->ring_size || replay->stretch) {
		replay_lose(replay, event->line, "the trace has no dirty ring at this line");
		return;
	}
	ours.u.ring_entry = event->u.ring_entry;
	if (event->u.ring_entry.index == replay->ring_next % replay->ring_size) {
		ours.u.ring_entry.flags = 0;
		if (tdp_vcpu_harvest_dirty_ring(replay->cpus[0].vcpu, &page, 1)) {
			ours.u.ring_entry.flags = RING_ENTRY_DIRTY;
			ours.u.ring_entry.slot = page.slot | page.address_space << AS_ID_SHIFT;
			ours.u.ring_entry.offset = page.offset;
			replay->ring_next++;
		}
	} else {
		ours.u.ring_entry.flags &= ~(uint64_t)RING_ENTRY_DIRTY;
	}
	replay_meet(replay, &ours);
}

void log_reset_rings(struct replay *replay)
{
	struct event ours = {.kind = EVENT_RESET_RESULT};
	uint64_t count = 0;
	int err = replay->vm ? tdp_vm_reset_dirty_rings(replay->vm, &count) : -EINVAL;

	ours.u.result.rc = err ? -1 : (int64_t)count;
	replay_meet(replay, &ours);
}
