#include "platform/virtual/turns.h"

#include <errno.h>
#include <stdlib.h>

int turns_init(struct turns *turns, size_t count, uint64_t now)
{
	*turns = (struct turns){.now = now, .width = (count + 63) / 64, .leaves = 1};
	while (turns->leaves < count)
		turns->leaves *= 2;
	turns->nodes = calloc(2 * turns->leaves, sizeof(*turns->nodes));
	turns->words = calloc(TURNS_NEAR * turns->width + 1, sizeof(*turns->words));
	if (!turns->nodes || !turns->words)
		return -ENOMEM;
	for (size_t i = 1; i < 2 * turns->leaves; i++)
		turns->nodes[i] = (struct turn){TURN_NEVER, 0};
	return 0;
}

void turns_fini(struct turns *turns)
{
	free(turns->nodes);
	free(turns->words);
}

void turns_set_far(struct turns *turns, size_t index, uint64_t clock)
{
	struct turn winner = {clock, index};
	size_t at = turns->leaves + index;

	turns->nodes[at] = winner;
	for (; at > 1; at /= 2) {
		const struct turn *other = &turns->nodes[at ^ 1];

		/* Of equal clocks the left node wins. */
		if (other->clock < winner.clock + (at & 1))
			winner = *other;
		turns->nodes[at / 2] = winner;
	}
}

void turns_remove(struct turns *turns, size_t index, uint64_t clock)
{
	if (turns->nodes[turns->leaves + index].clock == TURN_NEVER)
		turns_clear_near(turns, index, clock);
	else
		turns_set_far(turns, index, TURN_NEVER);
}
