/*
 * Ctrl-C: the first one asks the run to end early and to print what it has; the
 * second one ends the program as it always does.
 */
#ifndef BENCH_INTERRUPT_H
#define BENCH_INTERRUPT_H

#include <tdpsim/run.h>

/* From now on SIGINT raises the flag. 0 or a negative errno. */
int interrupt_catch(struct tdp_flag *flag);
/* Ctrl-C is as before; the flag may be destroyed. */
void interrupt_release(void);

#endif
