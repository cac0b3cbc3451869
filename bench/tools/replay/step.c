#include "step.h"

#define PFERR_WRITE ((uint64_t)1 << 1)

/*
 * The tracepoint reads the entry again (mmutrace.h), so its new value may be what another
 * vCPU has made of the entry since. A repair for a write gave W and no more.
 */
uint64_t step_repaired(const struct stretch *stretch, const struct event *event)
{
	uint64_t flags = stretch->replay->bits->accessed | stretch->replay->bits->dirty;
	uint64_t old = event->u.fast.old_spte, new = event->u.fast.new_spte;

	if (!(event->u.fast.flags & PFERR_WRITE))
		return new;
	if (((new ^ old) & ~(flags | SPTE_WRITE)) == 0 || !spte_is_present(new))
		return old | SPTE_WRITE;
	return new;
}

bool step_of(const struct stretch *stretch, const struct event *event, struct entry_step *step)
{
	if (event->kind == EVENT_SPTE_CHANGED) {
		*step = (struct entry_step){event->u.changed.as_id, event->u.changed.level,
					    event->u.changed.gfn, event->u.changed.old_spte,
					    event->u.changed.new_spte};
		return true;
	}
	if (event->kind != EVENT_FAST_PAGE_FAULT || !event->u.fast.fixed)
		return false;
	*step = (struct entry_step){.level = event->u.fast.old_spte & SPTE_LARGE ? 2 : 1,
				    .old_spte = event->u.fast.old_spte,
				    .new_spte = step_repaired(stretch, event)};
	step->gfn = event->u.fast.gva >> TDP_PAGE_SHIFT & ~(tdp_level_pages(step->level) - 1);
	return true;
}

bool step_same(const struct entry_step *a, const struct entry_step *b)
{
	return a->as_id == b->as_id && a->level == b->level && a->gfn == b->gfn;
}

bool step_same_entry(const struct event *a, const struct event *b)
{
	return a->u.changed.as_id == b->u.changed.as_id && a->u.changed.gfn == b->u.changed.gfn &&
	       a->u.changed.level == b->u.changed.level;
}

/* It can if the entry had this value at some time. */
bool step_passes(const struct stretch *stretch, const struct event *repair)
{
	uint64_t value = repair->u.fast.new_spte;
	struct entry_step step, other;

	if (!step_of(stretch, repair, &step) || value == step.new_spte)
		return true;
	for (size_t i = stretch->first; i < stretch->end; i++) {
		if (stretch_event(stretch, i) != repair &&
		    step_of(stretch, stretch_event(stretch, i), &other) &&
		    step_same(&step, &other) &&
		    (other.old_spte == value || other.new_spte == value))
			return true;
	}
	return false;
}

bool step_rewrites(const struct stretch *stretch, const struct event *event)
{
	uint64_t flag = stretch->replay->bits->dirty, old = event->u.changed.old_spte;

	return event->kind == EVENT_SPTE_CHANGED && spte_is_leaf(old, event->u.changed.level) &&
	       (old & (flag | SPTE_WRITE)) == (flag | SPTE_WRITE) &&
	       event->u.changed.new_spte == (old & ~flag);
}

bool step_follows(const struct stretch *stretch, uint64_t new_spte, uint64_t old_spte)
{
	uint64_t flags = stretch->replay->bits->accessed | stretch->replay->bits->dirty;

	if (spte_is_present(new_spte) && spte_is_present(old_spte))
		return ((new_spte ^ old_spte) & ~flags) == 0 && !(new_spte & ~old_spte & flags);
	return new_spte == old_spte || (spte_is_empty(stretch->replay->bits, new_spte) &&
					spte_is_empty(stretch->replay->bits, old_spte));
}
