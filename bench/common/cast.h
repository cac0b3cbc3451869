/*
 * Running a driver's actors.
 */
#ifndef BENCH_CAST_H
#define BENCH_CAST_H

#include <tdpsim/run.h>

/*
 * tdp_run(). But where actors wait for each other for ever, which in virtual time
 * is found out and told, it ends the program with STATUS_FAILED: what they hold
 * they hold for good, so nothing that they use can be taken down.
 */
int cast_run(const struct tdp_actor_config *actors, size_t count);

#endif
