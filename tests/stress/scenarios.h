/*
 * All scenarios of this folder.
 */
#ifndef TDPSIM_TESTS_STRESS_SCENARIOS_H
#define TDPSIM_TESTS_STRESS_SCENARIOS_H

#include "stress/stage/stress.h"

#define SCENARIOS(each)                                                                            \
	each(mix) each(unmap_vs_fault) each(discard_vs_fault) each(zap_vs_fault)                   \
		each(split_vs_split) each(huge_zap_vs_access) each(table_vs_huge) each(            \
			table_removal_vs_fault) each(fast_vs_zap) each(slot_delete_vs_access)      \
			each(mmio_vs_slot_create) each(roots_vs_roles) each(root_reuse)            \
				each(yield_in_zap) each(iter_vs_zap) each(zap_across_roots) each(  \
					long_invalidation) each(unmap_vs_root_put) each(dirty_log) \
					each(dirty_ring) each(fast_vs_log) each(eager_split)       \
						each(recovery) each(logging_mix) each(age_vs_fast) \
							each(age_vs_table) each(age_vs_log)        \
								each(nx_recovery_vs_zap) each(     \
									nx_recovery_vs_fetch)      \
									each(many_vcpus_flush)

/* Two to four players with a few operations each (stress/stage/round.h). */
#define SMALL_SCENARIOS(each)                                                                      \
	each(small_unmap_vs_fault) each(small_two_unmaps) each(small_zap_vs_fault) each(           \
		small_freeze_vs_link) each(small_huge_zap_vs_access) each(small_split_vs_split)    \
		each(small_table_vs_huge) each(small_walk_vs_zap) each(                            \
			small_root_invalidation) each(small_root_put) each(small_yield_in_zap)     \
			each(small_zap_across_roots) each(small_role_vs_zap) each(                 \
				small_slot_delete_vs_access) each(small_slot_move)                 \
				each(small_mmio_vs_create) each(small_fast_vs_unmap) each(         \
					small_fast_vs_slot_delete) each(small_long_invalidation)   \
					each(small_clear_vs_fast) each(small_clear_vs_unmap) each( \
						small_age_vs_fast) each(small_recovery_vs_fault)   \
						each(small_nx_recovery_vs_unmap)                   \
							each(small_nx_fetch_vs_read)               \
								each(small_nx_fetch_vs_log_end)

#define DECLARE(name) extern const struct scenario scenario_##name;
#define LIST(name)    &scenario_##name,
SCENARIOS(DECLARE)
SMALL_SCENARIOS(DECLARE)

static const struct scenario *const scenarios[] = {SCENARIOS(LIST) SMALL_SCENARIOS(LIST)};
#define SCENARIO_COUNT (sizeof(scenarios) / sizeof(scenarios[0]))

#endif
