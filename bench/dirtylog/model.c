#include "dirtylog/model.h"

#include <string.h>

#include "common/memory.h"
#include "dirtylog/bits.h"
#include "dirtylog/draw.h"

#define REGION_PAGES 512 /* of 2M */
#define PML_ENTRIES  512 /* of the log of writes that a CPU keeps */

enum state {
	OPEN,
	SHUT,
	HUGE_OPEN,
	HUGE_SHUT,
	ABSENT,
};

static size_t words(const struct model *model)
{
	return (model->pages + 63) / 64;
}

static uint64_t backing_pages(const struct model *model)
{
	return tdp_level_pages(model->options->guest.backing);
}

/* Touched now, so that it does not count as growth of the guest. */
static uint64_t *new_set(const struct model *model)
{
	return must_calloc_aligned(sizeof(uint64_t), words(model), sizeof(uint64_t));
}

void model_init(struct model *model, const struct dirtylog *options)
{
	*model = (struct model){.options = options, .pages = dirtylog_guest_pages(options)};
	model->state = must_calloc_aligned(1, model->pages, 1);
	model->gone = must_calloc(model->pages / backing_pages(model), sizeof(*model->gone));
	model->written = new_set(model);
	model->marked = new_set(model);
	model->doubtful = new_set(model);
	model->reported = new_set(model);
}

void model_fini(struct model *model)
{
	free(model->reported);
	free(model->doubtful);
	free(model->marked);
	free(model->written);
	free(model->gone);
	free(model->state);
}

/* The state of a page after its leaf is protected for tracking. */
static enum state protected_state(const struct model *model, enum state state)
{
	switch (state) {
	case HUGE_OPEN:
		if (!model->eager)
			return HUGE_SHUT;
		return model->dbit ? OPEN : SHUT;
	case OPEN:
		return model->dbit ? OPEN : SHUT;
	default:
		return state;
	}
}

/* With --exit-keeps-log a read of the log misses what the logs of the CPUs hold. */
static uint64_t most_lost(const struct model *model, const struct tdp_policy *policy)
{
	const struct guest_options *guest = &model->options->guest;
	bool pml = model->dbit && guest->format == TDP_EPT;

	return pml && policy->exit_keeps_log == TDP_ON ? (uint64_t)guest->vcpus * PML_ENTRIES : 0;
}

void model_enable(struct model *model, const struct tdp_policy *policy)
{
	const struct dirtylog *options = model->options;

	model->dbit = policy->dirty_track == TDP_DIRTY_TRACK_DBIT;
	model->eager = policy->eager_split == TDP_ON;
	model->zap = policy->huge_fault == TDP_HUGE_FAULT_ZAP;
	model->fixes_twice = policy->spurious_if_allowed != TDP_ON;
	model->lost_most = most_lost(model, policy);
	memset(model->state, options->guest.backing == TDP_4K ? OPEN : HUGE_OPEN, model->pages);
	if (options->guest.manual_protect == TDP_MANUAL_PROTECT_ALL_SET) {
		for (uint64_t page = 0; page < model->pages; page++)
			bit_set(model->marked, page);
		return;
	}
	for (uint64_t page = 0; page < model->pages; page++)
		model->state[page] = (uint8_t)protected_state(model, model->state[page]);
}

/* A fault that leaves the page mapped by a writable 4K leaf. */
static void fix(struct model *model, uint64_t page)
{
	model->fixed++;
	model->state[page] = OPEN;
	bit_set(model->marked, page);
}

/* A write to a protected huge leaf: the other pages of its 2M are mapped by 4K now. */
static void split_region(struct model *model, uint64_t page)
{
	uint64_t first = page - page % REGION_PAGES;

	for (uint64_t i = first; i < first + REGION_PAGES; i++)
		if (model->state[i] == HUGE_SHUT)
			model->state[i] = SHUT;
}

/*
 * With zap the first write unmaps the leaf. Accesses of a vCPU after its own first write fault. Its
 * earlier reads fault only if another vCPU has written before.
 */
static void access_zapped(struct model *model, uint64_t page, bool write, unsigned int vcpu)
{
	unsigned int *gone = &model->gone[page / backing_pages(model)];

	if (write)
		*gone = vcpu + 1;
	if (*gone == vcpu + 1)
		fix(model, page);
	else
		bit_set(model->doubtful, page);
}

static void access_page(struct model *model, uint64_t page, bool write, unsigned int vcpu)
{
	switch ((enum state)model->state[page]) {
	case OPEN:
	case HUGE_OPEN:
		if (write)
			bit_set(model->marked, page);
		break;
	case SHUT:
		if (write)
			fix(model, page);
		break;
	case ABSENT:
		fix(model, page);
		break;
	case HUGE_SHUT:
		if (model->zap)
			access_zapped(model, page, write, vcpu);
		else if (write) {
			split_region(model, page);
			fix(model, page);
		}
		break;
	}
	if (write)
		bit_set(model->written, page);
	model->accesses++;
}

/* Pages of zapped leaves are not mapped. Reads of other leaves did not fault. */
static void settle_zapped(struct model *model)
{
	bool alone = model->options->guest.vcpus == 1;

	for (uint64_t page = 0; page < model->pages; page++) {
		bool gone = model->gone[page / backing_pages(model)] != 0;

		if (gone && model->state[page] == HUGE_SHUT)
			model->state[page] = ABSENT;
		if (!gone || alone || model->state[page] != ABSENT)
			model->doubtful[page / 64] &= ~((uint64_t)1 << (page % 64));
	}
	memset(model->gone, 0, model->pages / backing_pages(model) * sizeof(*model->gone));
}

void model_dirty(struct model *model, unsigned int iteration)
{
	const struct dirtylog *options = model->options;

	model->fixed = model->accesses = 0;
	memset(model->written, 0, words(model) * sizeof(*model->written));
	memset(model->doubtful, 0, words(model) * sizeof(*model->doubtful));
	for (unsigned int vcpu = 0; vcpu < options->guest.vcpus; vcpu++) {
		struct draw draw = draw_of(options, vcpu, iteration);
		uint64_t base = dirtylog_vcpu_base(options, vcpu);

		for (uint64_t i = 0; i < draw.pages; i++)
			access_page(model, base + draw_page(&draw, i), draw_writes(&draw, i), vcpu);
	}
	if (model->zap)
		settle_zapped(model);
}

uint64_t *model_report(struct model *model)
{
	memset(model->reported, 0, words(model) * sizeof(*model->reported));
	return model->reported;
}

/* The log shows whether a page was read before or after its leaf was zapped. */
static void resolve_doubts(struct model *model)
{
	for (uint64_t page = 0; page < model->pages; page++)
		if (bit_test(model->doubtful, page) && bit_test(model->reported, page))
			fix(model, page);
}

/* Whether a page may be counted as fixed more than once. */
static bool is_inexact(const struct model *model)
{
	const struct dirtylog *options = model->options;
	bool again = options->guest.overlap || options->random_access;

	if (options->log == LOG_RING && again)
		return true;
	return options->guest.overlap && model->fixes_twice;
}

struct verdict model_judge(struct model *model, uint64_t rings_full)
{
	struct verdict verdict = {0};

	resolve_doubts(model);
	for (size_t word = 0; word < words(model); word++) {
		uint64_t written = model->written[word], reported = model->reported[word];

		verdict.lost += (uint64_t)__builtin_popcountll(written & ~reported);
		verdict.surplus += (uint64_t)__builtin_popcountll(reported & ~model->marked[word]);
	}
	verdict.lost_most = model->lost_most;
	verdict.written = bits_count(model->written, model->pages);
	verdict.reported = bits_count(model->reported, model->pages);
	verdict.fixed_least = model->fixed;
	verdict.fixed_most = (is_inexact(model) ? model->accesses : model->fixed) + rings_full;
	return verdict;
}

void model_clear(struct model *model)
{
	for (uint64_t page = 0; page < model->pages; page++)
		if (bit_test(model->reported, page))
			model->state[page] =
				(uint8_t)protected_state(model, (enum state)model->state[page]);
	for (size_t word = 0; word < words(model); word++)
		model->marked[word] &= ~model->reported[word];
}
