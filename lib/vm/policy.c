/*
 * Baselines: what a kernel did, as a value for each policy. A column is a
 * kernel; docs/model.md names the commits.
 */
#include <errno.h>

#include "vm/vm.h"

static const struct tdp_policy baseline_6_1 = {
	.lock = TDP_LOCK_SHARED,
	.stats = TDP_STATS_SHARED,
	.huge_fault = TDP_HUGE_FAULT_ZAP,
	.suppress_ve = TDP_OFF,
	.zap_flush_first = TDP_OFF,
	.spurious_if_allowed = TDP_OFF,
	.dirty_at_birth = TDP_OFF,
	.software_ad = TDP_OFF,
	.quiet_spurious = TDP_OFF,
	.shared_root_alloc = TDP_OFF,
	.zap_each_level = TDP_OFF,
	.skip_invalid_roots = TDP_OFF,
	.early_invalidation_check = TDP_OFF,
	.lockless_age = TDP_OFF,
	.slot_zap_all = TDP_ON,
	.range_flush = TDP_RANGE_FLUSH_FULL,
	.dirty_track = TDP_DIRTY_TRACK_DBIT,
	.eager_split = TDP_ON,
	.clear_splits_last = TDP_OFF,
	.recovery = TDP_RECOVERY_ZAP,
	.nx_huge_pages = TDP_OFF,
	.nx_recovery_shared = TDP_OFF,
	.nx_skip_logged = TDP_OFF,
};

static const struct tdp_policy baseline_6_12 = {
	.lock = TDP_LOCK_SHARED,
	.stats = TDP_STATS_SHARED,
	.huge_fault = TDP_HUGE_FAULT_SPLIT,
	.suppress_ve = TDP_ON,
	.zap_flush_first = TDP_ON,
	.spurious_if_allowed = TDP_OFF,
	.dirty_at_birth = TDP_OFF,
	.software_ad = TDP_OFF,
	.quiet_spurious = TDP_OFF,
	.shared_root_alloc = TDP_ON,
	.zap_each_level = TDP_ON,
	.skip_invalid_roots = TDP_ON,
	.early_invalidation_check = TDP_ON,
	.lockless_age = TDP_OFF,
	.slot_zap_all = TDP_ON,
	.range_flush = TDP_RANGE_FLUSH_FULL,
	.dirty_track = TDP_DIRTY_TRACK_DBIT,
	.eager_split = TDP_ON,
	.clear_splits_last = TDP_ON,
	.recovery = TDP_RECOVERY_ZAP,
	.nx_huge_pages = TDP_OFF,
	.nx_recovery_shared = TDP_OFF,
	.nx_skip_logged = TDP_ON,
};

static const struct tdp_policy baseline_latest = {
	.lock = TDP_LOCK_SHARED,
	.stats = TDP_STATS_SHARED,
	.huge_fault = TDP_HUGE_FAULT_SPLIT,
	.suppress_ve = TDP_ON,
	.zap_flush_first = TDP_ON,
	.spurious_if_allowed = TDP_ON,
	.dirty_at_birth = TDP_ON,
	.software_ad = TDP_ON,
	.quiet_spurious = TDP_ON,
	.shared_root_alloc = TDP_ON,
	.zap_each_level = TDP_ON,
	.skip_invalid_roots = TDP_ON,
	.early_invalidation_check = TDP_ON,
	.lockless_age = TDP_ON,
	.slot_zap_all = TDP_ON,
	.range_flush = TDP_RANGE_FLUSH_FULL,
	.dirty_track = TDP_DIRTY_TRACK_DBIT,
	.eager_split = TDP_ON,
	.clear_splits_last = TDP_ON,
	.recovery = TDP_RECOVERY_IN_PLACE,
	.nx_huge_pages = TDP_OFF,
	.nx_recovery_shared = TDP_ON,
	.nx_skip_logged = TDP_ON,
};

static const struct baseline {
	const char *name;
	const struct tdp_policy *policy;
} baselines[] = {
	[TDP_BASELINE_LATEST] = {"latest", &baseline_latest},
	[TDP_BASELINE_6_1] = {"6.1", &baseline_6_1},
	[TDP_BASELINE_6_12] = {"6.12", &baseline_6_12},
};

#define BASELINES (sizeof(baselines) / sizeof(baselines[0]))

const char *tdp_baseline_name(enum tdp_baseline baseline)
{
	return (unsigned int)baseline < BASELINES ? baselines[baseline].name : NULL;
}

/* One field: 0 takes the baseline's value, anything above `last` is no value. */
#define RESOLVE(field, last)                                                                       \
	do {                                                                                       \
		if ((unsigned int)asked->field > (unsigned int)(last))                             \
			return -EINVAL;                                                            \
		if (asked->field)                                                                  \
			policy.field = asked->field;                                               \
	} while (0)

int policy_resolve(enum tdp_baseline baseline, const struct tdp_policy *asked,
		   struct tdp_policy *resolved)
{
	struct tdp_policy policy;

	if ((unsigned int)baseline >= BASELINES)
		return -EINVAL;
	policy = *baselines[baseline].policy;
	RESOLVE(lock, TDP_LOCK_PERCPU);
	RESOLVE(stats, TDP_STATS_PERCPU);
	RESOLVE(huge_fault, TDP_HUGE_FAULT_ZAP);
	RESOLVE(suppress_ve, TDP_OFF);
	RESOLVE(zap_flush_first, TDP_OFF);
	RESOLVE(spurious_if_allowed, TDP_OFF);
	RESOLVE(dirty_at_birth, TDP_OFF);
	RESOLVE(software_ad, TDP_OFF);
	RESOLVE(quiet_spurious, TDP_OFF);
	RESOLVE(shared_root_alloc, TDP_OFF);
	RESOLVE(zap_each_level, TDP_OFF);
	RESOLVE(skip_invalid_roots, TDP_OFF);
	RESOLVE(early_invalidation_check, TDP_OFF);
	RESOLVE(lockless_age, TDP_OFF);
	RESOLVE(slot_zap_all, TDP_OFF);
	RESOLVE(range_flush, TDP_RANGE_FLUSH_EXACT);
	RESOLVE(dirty_track, TDP_DIRTY_TRACK_DBIT);
	RESOLVE(eager_split, TDP_OFF);
	RESOLVE(clear_splits_last, TDP_OFF);
	RESOLVE(recovery, TDP_RECOVERY_ZAP);
	RESOLVE(nx_huge_pages, TDP_OFF);
	RESOLVE(nx_recovery_shared, TDP_OFF);
	RESOLVE(nx_skip_logged, TDP_OFF);
	*resolved = policy;
	return 0;
}
