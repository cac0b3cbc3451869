/*
 * The first Ctrl-C ends the run early, with a report of what was measured. The second one ends the
 * program.
 */
#ifndef BENCH_INTERRUPT_H
#define BENCH_INTERRUPT_H

#include <tdpsim/run.h>

/* SIGINT raises the flag from now on. 0 or a negative errno. */
int interrupt_catch(struct tdp_flag *flag);
/* Restores SIGINT; the flag may then be destroyed. */
void interrupt_release(void);

#endif
