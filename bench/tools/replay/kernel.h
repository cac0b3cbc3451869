/*
 * What a replay must know of kernels: which baseline of the library a kernel belongs to,
 * and how its traces print what the library numbers differently from baseline to baseline.
 */
#ifndef REPLAY_KERNEL_H
#define REPLAY_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include <tdpsim/policy.h>

/*
 * The baseline that stands for a kernel. If no baseline stands for it, *exact is false and
 * the result is the newest baseline that is older, or the oldest there is.
 */
enum tdp_baseline kernel_baseline(int major, int minor, bool *exact);

/* The values of RET_PF_RETRY and RET_PF_FIXED. */
int64_t kernel_retry(enum tdp_baseline baseline);
int64_t kernel_fixed(enum tdp_baseline baseline);
/* Have SPTEs the layout of 7.2, made for MBEC and GMET? */
bool kernel_has_layout_7_2(enum tdp_baseline baseline);

#endif
