/* Creates and runs the actors of a driver. */
#ifndef BENCH_CAST_H
#define BENCH_CAST_H

#include "common/guest.h"

/* An actor that runs `body` as vCPU `vcpu` would: on the CPU that --pin gives to it. */
struct tdp_actor_config cast_actor(const struct guest_options *options, unsigned int vcpu,
				   const char *name, tdp_actor_body *body, void *arg);

/*
 * Runs actors by tdp_run(). In virtual time it detects a deadlock; it then ends the program
 * with STATUS_FAILED, because the actors hold what teardown would need.
 */
int cast_run(const struct tdp_actor_config *actors, size_t count);

#endif
