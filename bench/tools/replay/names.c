/*
 * A plain list: a trace has few tables at a time.
 */
#include "names.h"

#include <stdlib.h>

void names_free(struct names *names)
{
	free(names->live);
	names->live = NULL;
	names->count = names->room = 0;
}

static struct name *find(const struct names *names, uint64_t theirs, uint64_t ours)
{
	for (size_t i = 0; i < names->count; i++) {
		if (names->live[i].theirs == theirs || names->live[i].ours == ours)
			return &names->live[i];
	}
	return NULL;
}

bool names_begin(struct names *names, uint64_t theirs, uint64_t ours, bool root)
{
	struct name *live = names->live;

	if (find(names, theirs, ours))
		return false;
	if (names->count == names->room) {
		live = realloc(live, (names->room * 2 + 64) * sizeof(*live));
		if (!live)
			return false;
		names->live = live;
		names->room = names->room * 2 + 64;
	}
	live[names->count++] = (struct name){theirs, ours, root};
	return true;
}

bool names_match(const struct names *names, uint64_t theirs, uint64_t ours)
{
	const struct name *name = find(names, theirs, ours);

	return name && name->theirs == theirs && name->ours == ours;
}

void names_end(struct names *names, uint64_t ours)
{
	for (size_t i = 0; i < names->count; i++) {
		if (names->live[i].ours == ours) {
			names->live[i] = names->live[--names->count];
			return;
		}
	}
}

void names_end_roots(struct names *names)
{
	size_t kept = 0;

	for (size_t i = 0; i < names->count; i++) {
		if (!names->live[i].root)
			names->live[kept++] = names->live[i];
	}
	names->count = kept;
}
