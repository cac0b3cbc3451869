#include "platform/virtual/turns.h"

#include <errno.h>
#include <stdlib.h>

int turns_init(struct turns *turns, size_t count)
{
	turns->leaves = 1;
	while (turns->leaves < count)
		turns->leaves *= 2;
	turns->nodes = calloc(2 * turns->leaves, sizeof(*turns->nodes));
	if (!turns->nodes)
		return -ENOMEM;
	for (size_t i = 1; i < 2 * turns->leaves; i++)
		turns->nodes[i] = (struct turn){TURN_NEVER, 0};
	return 0;
}

void turns_fini(struct turns *turns)
{
	free(turns->nodes);
}
