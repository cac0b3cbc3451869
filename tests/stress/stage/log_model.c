/* A slot whose writes are logged, and a model of its log. See log_model.h. */
#include "stress/stage/log_model.h"

#include <string.h>

#define REGION_PAGES ((uint64_t)512)
#define REGION_BYTES (REGION_PAGES * TDP_PAGE_SIZE)

static const unsigned int samples[LOG_MODEL_SAMPLES] = {0, 1, 130, 511};

/* The index, in frames, of sample page `i`. */
static uint64_t offset_of(unsigned int i)
{
	return i / LOG_MODEL_SAMPLES * REGION_PAGES + samples[i % LOG_MODEL_SAMPLES];
}

static uint64_t frames(const struct log_model *model)
{
	return model->config.regions * REGION_PAGES;
}

static int set_slot(const struct log_model *model, bool log, uint64_t pages)
{
	return tdp_vm_set_memslot(model->stress->vm,
				  &(struct tdp_memslot){
					  .id = model->config.id,
					  .gfn = model->config.gfn,
					  .pages = pages,
					  .backing = tdp_anon_backing(model->anon),
					  .log_dirty = log,
				  });
}

struct log_model *log_model_create(struct stress *stress, const struct log_model_config *config,
				   enum tdp_manual_protect manual)
{
	unsigned int count = config->regions * LOG_MODEL_SAMPLES;
	struct log_model *model =
		stress_allocate(stress, sizeof(*model) + count * sizeof(model->pages[0]));

	if (!model)
		return NULL;
	model->stress = stress;
	model->config = *config;
	model->manual = manual;
	model->page_count = count;
	model->words = tdp_dirty_log_words(frames(model));
	model->bitmap = stress_allocate(stress, model->words * sizeof(uint64_t));
	model->mask = stress_allocate(stress, model->words * sizeof(uint64_t));
	model->anon = stress_anon(stress, config->regions * REGION_BYTES, config->page);
	if (!model->bitmap || !model->mask || !model->anon || set_slot(model, false, frames(model)))
		return NULL;
	return model;
}

/* Most visits go to the first pages, so that vCPUs and the collector meet at a page. */
static unsigned int some_page(struct player *player, const struct log_model *model)
{
	uint64_t bound = player_chance(player, 3) ? model->page_count : 2;

	return (unsigned int)player_below(player, bound);
}

static int touch(struct player *player, struct log_model *model, unsigned int i,
		 enum tdp_access access)
{
	uint64_t gpa = (model->config.gfn.n + offset_of(i)) << TDP_PAGE_SHIFT;
	atomic_u64 *visits = &model->visits[tdp_vcpu_id(player->vcpu)];
	struct log_model_page *page = &model->pages[i];
	struct tdp_access_result result;
	int err;

	u64_add_acq_rel(visits, 1);
	if (access == TDP_WRITE)
		u64_add_acq_rel(&page->begun, 1);
	err = player_access(player, gpa, access, NULL, 0, &result);
	if (!err && access == TDP_WRITE && result.outcome == TDP_ACCESS_DONE)
		u64_add_acq_rel(&page->done, 1);
	u64_add_acq_rel(visits, 1);
	return !err && result.outcome == TDP_ACCESS_RING_FULL ? LOG_MODEL_RING_FULL : err;
}

int log_model_write(struct player *player, struct log_model *model, unsigned int i)
{
	return touch(player, model, i, TDP_WRITE);
}

int log_model_visit(struct player *player, struct log_model *model)
{
	unsigned int i = some_page(player, model);

	return touch(player, model, i, player_chance(player, 3) ? TDP_READ : TDP_WRITE);
}

int log_model_discard_at(struct player *player, struct log_model *model, unsigned int i)
{
	bool small = model->config.page == TDP_4K;
	uint64_t offset = offset_of(i) * TDP_PAGE_SIZE;
	int err;

	if (small)
		err = tdp_anon_discard(model->anon, offset, TDP_PAGE_SIZE);
	else
		err = tdp_anon_discard(model->anon, offset / REGION_BYTES * REGION_BYTES,
				       REGION_BYTES);
	return err ? player_fail(player, "a discard ended with %d", err) : 0;
}

int log_model_discard(struct player *player, struct log_model *model)
{
	return log_model_discard_at(player, model,
				    (unsigned int)player_below(player, model->page_count));
}

static void set_bit(uint64_t *bitmap, uint64_t offset)
{
	bitmap[offset / 64] |= 1ULL << (offset % 64);
}

static bool bit(const uint64_t *bitmap, uint64_t offset)
{
	return bitmap[offset / 64] >> (offset % 64) & 1;
}

/* No write that has begun by now must be reported again. */
static void cover(struct log_model *model, unsigned int i)
{
	model->pages[i].covered = u64_load_acquire(&model->pages[i].begun);
	model->pages[i].missed = false;
}

int log_model_switch(struct player *player, struct log_model *model, bool on)
{
	int err = set_slot(model, on, frames(model));

	if (err)
		return player_fail(player, "turning the log %s ended with %d", on ? "on" : "off",
				   err);
	model->on = on;
	for (unsigned int i = 0; i < model->page_count; i++)
		cover(model, i);
	return 0;
}

/* W1. *missed: a page was not reported that the next read must report. */
static int judge(struct player *player, struct log_model *model, bool *missed)
{
	/* A bug of 6.18: a read misses what is still in a CPU's own log. */
	if (model->stress->policy.exit_keeps_log == TDP_ON)
		return 0;
	for (unsigned int i = 0; i < model->page_count; i++) {
		struct log_model_page *page = &model->pages[i];
		bool late = page->missed;

		page->missed =
			page->done_before > page->covered && !bit(model->bitmap, offset_of(i));
		if (page->missed && late)
			return player_fail(player,
					   "gfn 0x%llx was written and is not in the log (write "
					   "%llu; covered %llu)",
					   (unsigned long long)(model->config.gfn.n + offset_of(i)),
					   (unsigned long long)page->done_before,
					   (unsigned long long)page->covered);
		*missed |= page->missed;
	}
	return 0;
}

/* Waits until the accesses under way have ended. */
static void wait_for_visits(struct player *player, const struct log_model *model)
{
	for (unsigned int i = 0; i < model->stress->vcpu_count; i++) {
		uint64_t visit = u64_load_acquire(&model->visits[i]);

		while (visit % 2 && u64_load_acquire(&model->visits[i]) == visit)
			player_delay(player, 5);
	}
}

static void cover_set(struct log_model *model, const uint64_t *bitmap)
{
	for (unsigned int i = 0; i < model->page_count; i++)
		if (bit(bitmap, offset_of(i)))
			cover(model, i);
}

/* Clears some words of what was reported, as user space does before it copies pages. */
static int clear(struct player *player, struct log_model *model)
{
	uint64_t first = player_below(player, model->words), words = model->words - first;
	int err;

	if (player_chance(player, 2))
		words = 1 + player_below(player, words);
	memset(model->mask, 0, model->words * sizeof(uint64_t));
	memcpy(model->mask + first, model->bitmap + first, words * sizeof(uint64_t));
	err = tdp_vm_clear_dirty_log(model->stress->vm, 0, model->config.id, first * 64, words * 64,
				     model->mask + first);
	if (err)
		return player_fail(player, "clearing the log ended with %d", err);
	cover_set(model, model->mask);
	return 0;
}

/* A read of the log begins. */
static void begin(struct log_model *model)
{
	for (unsigned int i = 0; i < model->page_count; i++)
		model->pages[i].done_before = u64_load_acquire(&model->pages[i].done);
}

static int collect_once(struct player *player, struct log_model *model, bool *missed)
{
	int err;

	begin(model);
	err = tdp_vm_get_dirty_log(model->stress->vm, 0, model->config.id, model->bitmap,
				   model->words);
	if (err)
		return player_fail(player, "reading the log ended with %d", err);
	model->reads++;
	err = judge(player, model, missed);
	if (err)
		return err;
	if (model->manual != TDP_MANUAL_PROTECT_OFF)
		return clear(player, model);
	cover_set(model, model->bitmap);
	return 0;
}

int log_model_collect(struct player *player, struct log_model *model)
{
	bool missed = true;
	int err = 0;

	while (!err && missed) {
		missed = false;
		err = collect_once(player, model, &missed);
		if (!err && missed)
			wait_for_visits(player, model);
	}
	return err;
}

/* Moves the entries of the vCPU's ring to the bitmaps of the models. */
static void harvest(struct tdp_vcpu *vcpu, struct log_model *const *models, unsigned int count)
{
	struct tdp_dirty_page page;

	while (tdp_vcpu_harvest_dirty_ring(vcpu, &page, 1))
		for (unsigned int i = 0; i < count; i++)
			if (models[i]->config.id == page.slot)
				set_bit(models[i]->bitmap, page.offset);
}

static int judge_and_cover(struct player *player, struct log_model *model, bool *missed)
{
	int err = model->on ? judge(player, model, missed) : 0;

	model->reads++;
	if (!err)
		cover_set(model, model->bitmap);
	return err;
}

static int collect_rings_once(struct player *player, struct log_model *const *models,
			      unsigned int count, bool *missed)
{
	const struct stress *stress = player->stress;
	int err;

	for (unsigned int i = 0; i < count; i++) {
		begin(models[i]);
		memset(models[i]->bitmap, 0, models[i]->words * sizeof(uint64_t));
	}
	for (unsigned int i = 0; i < stress->vcpu_count; i++)
		harvest(stress->vcpus[i], models, count);
	err = tdp_vm_reset_dirty_rings(stress->vm, NULL);
	if (err)
		return player_fail(player, "recycling the rings ended with %d", err);
	for (unsigned int i = 0; i < count && !err; i++)
		err = judge_and_cover(player, models[i], missed);
	return err;
}

int log_model_collect_rings(struct player *player, struct log_model *const *models,
			    unsigned int count)
{
	bool missed = true;
	int err = 0;

	while (!err && missed) {
		missed = false;
		err = collect_rings_once(player, models, count, &missed);
		for (unsigned int i = 0; i < count && !err && missed; i++)
			wait_for_visits(player, models[i]);
	}
	return err;
}

int log_model_recreate(struct player *player, struct log_model *model)
{
	int err = set_slot(model, false, 0);

	if (!err)
		err = set_slot(model, false, frames(model));
	if (err)
		return player_fail(player, "making the slot anew ended with %d", err);
	model->on = false;
	return 0;
}

int log_model_writer(struct player *player)
{
	int err = 0;

	while (!err && player_goes_on(player))
		err = log_model_visit(player, player->arg);
	return err;
}

static int collector_step(struct player *player, struct log_model *model)
{
	if (!model->on)
		return log_model_switch(player, model, true);
	if (!player_chance(player, 6))
		return log_model_collect(player, model);
	if (player_chance(player, 4))
		return log_model_recreate(player, model);
	return log_model_switch(player, model, false);
}

int log_model_collector(struct player *player)
{
	struct log_model *model = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		err = collector_step(player, model);
		player_delay(player, 10);
	}
	/* The time is up for all players: the last read must report what is left. */
	return err || !model->on ? err : log_model_collect(player, model);
}
