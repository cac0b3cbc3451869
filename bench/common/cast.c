#include "common/cast.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/status.h"

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
