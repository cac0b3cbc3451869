/* The policies that a VM uses. See policy.c. */
#ifndef TDPSIM_VM_POLICY_H
#define TDPSIM_VM_POLICY_H

#include <tdpsim/policy.h>

/*
 * Fills in what is "as the baseline". -EINVAL: there is no such baseline, or a field's
 * value is out of its range; *resolved is left alone.
 */
int policy_resolve(enum tdp_baseline baseline, const struct tdp_policy *asked,
		   struct tdp_policy *resolved);

#endif
