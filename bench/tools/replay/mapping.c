#include "mapping.h"

bool mapping_leaf(struct replay *replay, unsigned int as_id, uint64_t gpa, struct tdp_entry *leaf)
{
	struct tdp_entry entry;
	struct tdp_iter *iter;
	bool found = false;

	if (tdp_iter_begin(replay->vm, as_id, tdp_gfn(gpa >> TDP_PAGE_SHIFT), 1, 1, &iter))
		return false;
	while (tdp_iter_next(iter, &entry)) {
		if (!entry.leaf)
			continue;
		*leaf = entry;
		found = true;
	}
	tdp_iter_end(iter);
	return found;
}

uint64_t mapping_frame(struct replay *replay, unsigned int as_id, uint64_t gpa)
{
	struct tdp_entry leaf;

	if (!mapping_leaf(replay, as_id, gpa, &leaf))
		return 0;
	return leaf.pfn.n + ((gpa >> TDP_PAGE_SHIFT) - leaf.gfn.n);
}

uint64_t mapping_entry(struct replay *replay, unsigned int as_id, uint64_t gfn, unsigned int level)
{
	struct tdp_entry entry;
	struct tdp_iter *iter;
	uint64_t value = 0;

	if (tdp_iter_begin(replay->vm, as_id, tdp_gfn(gfn), 1, level, &iter))
		return 0;
	while (tdp_iter_next(iter, &entry)) {
		if (entry.level == level)
			value = entry.value;
	}
	tdp_iter_end(iter);
	return value;
}
