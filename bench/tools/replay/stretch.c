#include "stretch.h"

#include <errno.h>
#include <stdlib.h>

int stretch_init(struct stretch *stretch, struct replay *replay, size_t first, size_t end)
{
	size_t count = end - first + 1;

	*stretch = (struct stretch){.replay = replay, .first = first, .end = end};
	stretch->groups = calloc(count, sizeof(*stretch->groups));
	stretch->order = calloc(count, sizeof(struct group *));
	stretch->rank = calloc(count, sizeof(*stretch->rank));
	stretch->owner = calloc(count, sizeof(*stretch->owner));
	stretch->met = calloc(count, sizeof(*stretch->met));
	stretch->excused = calloc(count, sizeof(*stretch->excused));
	if (!stretch->groups || !stretch->order || !stretch->rank || !stretch->owner ||
	    !stretch->met || !stretch->excused)
		return -ENOMEM;
	return 0;
}

void stretch_fini(struct stretch *stretch)
{
	free(stretch->groups);
	free(stretch->order);
	free(stretch->rank);
	free(stretch->owner);
	free(stretch->edges);
	free(stretch->met);
	free(stretch->excused);
}

const struct event *stretch_event(const struct stretch *stretch, size_t i)
{
	return &stretch->replay->trace->events[i];
}

size_t stretch_rank(const struct stretch *stretch, size_t i)
{
	return (i - stretch->first + 1) << 20;
}
