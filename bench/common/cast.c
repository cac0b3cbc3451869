#include "common/cast.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/status.h"

struct tdp_actor_config cast_actor(const struct guest_options *options, unsigned int vcpu,
				   const char *name, tdp_actor_body *body, void *arg)
{
	return (struct tdp_actor_config){
		.name = name,
		.body = body,
		.arg = arg,
		.pinned = options->pin != NULL,
		.cpu = options->pin ? cpu_list_at(options->pin, vcpu) : 0,
	};
}

int cast_run(const struct tdp_actor_config *actors, size_t count)
{
	int *results = calloc(count + 1, sizeof(*results));
	int err;

	if (!results)
		return -ENOMEM;
	err = tdp_run(NULL, actors, count, results);
	for (size_t i = 0; i < count; i++)
		if (results[i] == -EDEADLK)
			_exit(STATUS_FAILED);
	free(results);
	return err;
}
