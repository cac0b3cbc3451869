#include "kernel.h"

#include <stddef.h>

#define VERSION(major, minor) ((major)*1000 + (minor))

/* The kernels that each baseline stands for, oldest first (<tdpsim/policy.h>). */
static const struct {
	enum tdp_baseline baseline;
	int first, last;
} kernels[] = {
	{TDP_BASELINE_5_13, VERSION(5, 13), VERSION(5, 13)},
	{TDP_BASELINE_5_14, VERSION(5, 14), VERSION(5, 14)},
	{TDP_BASELINE_6_1, VERSION(6, 1), VERSION(6, 1)},
	{TDP_BASELINE_6_12, VERSION(6, 12), VERSION(6, 12)},
	{TDP_BASELINE_6_16, VERSION(6, 16), VERSION(6, 16)},
	{TDP_BASELINE_6_18, VERSION(6, 18), VERSION(7, 1)},
	{TDP_BASELINE_7_2, VERSION(7, 2), VERSION(7, 3)},
};

enum tdp_baseline kernel_baseline(int major, int minor, bool *exact)
{
	int version = VERSION(major, minor);
	enum tdp_baseline baseline = kernels[0].baseline;

	*exact = false;
	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
		if (version < kernels[i].first)
			break;
		baseline = kernels[i].baseline;
		*exact = version <= kernels[i].last;
	}
	return baseline;
}

/* The value that the policy of a field of struct tdp_policy has in a baseline. */
static unsigned int policy_of(enum tdp_baseline baseline, size_t offset)
{
	const struct tdp_policy_info *info;
	unsigned int value = 0;

	for (unsigned int i = 0; (info = tdp_policy_describe(i)) != NULL; i++) {
		if (info->offset == offset)
			tdp_policy_value(i, baseline, &value);
	}
	return value;
}

int64_t kernel_retry(enum tdp_baseline baseline)
{
	return policy_of(baseline, offsetof(struct tdp_policy, ret_pf)) != TDP_RET_PF_FROM_0;
}

/* Behind RETRY, EMULATE, INVALID and, in newer kernels, WRITE_PROTECTED. */
int64_t kernel_fixed(enum tdp_baseline baseline)
{
	return kernel_retry(baseline) + 3 +
	       (policy_of(baseline, offsetof(struct tdp_policy, ret_pf)) ==
		TDP_RET_PF_WRITE_PROTECTED);
}

bool kernel_has_layout_7_2(enum tdp_baseline baseline)
{
	return policy_of(baseline, offsetof(struct tdp_policy, layout)) == TDP_ENTRY_LAYOUT_7_2;
}
