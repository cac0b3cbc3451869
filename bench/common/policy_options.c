/*
 * The policies in which kernels differ, as options: one for each field of struct
 * tdp_policy, all of them governed by the baseline.
 */
#include "common/guest.h"

static const struct word baseline_words[] = {
	{"latest", TDP_BASELINE_LATEST},
	{"6.12", TDP_BASELINE_6_12},
	{"6.1", TDP_BASELINE_6_1},
	{0},
};
static const struct word lock_words[] = {{"exclusive", TDP_LOCK_EXCLUSIVE},
					 {"shared", TDP_LOCK_SHARED},
					 {"percpu", TDP_LOCK_PERCPU},
					 {0}};
static const struct word stats_words[] = {
	{"shared", TDP_STATS_SHARED}, {"percpu", TDP_STATS_PERCPU}, {0}};
static const struct word huge_fault_words[] = {
	{"split", TDP_HUGE_FAULT_SPLIT}, {"zap", TDP_HUGE_FAULT_ZAP}, {0}};
static const struct word range_flush_words[] = {
	{"full", TDP_RANGE_FLUSH_FULL}, {"exact", TDP_RANGE_FLUSH_EXACT}, {0}};
static const struct word track_words[] = {
	{"wrprot", TDP_DIRTY_TRACK_WRPROT}, {"dbit", TDP_DIRTY_TRACK_DBIT}, {0}};
static const struct word recovery_words[] = {
	{"in-place", TDP_RECOVERY_IN_PLACE}, {"zap", TDP_RECOVERY_ZAP}, {0}};
static const struct word choice_words[] = {{"on", TDP_ON}, {"off", TDP_OFF}, {0}};

#define AT(field)     .offset = offsetof(struct guest_options, field)
#define POLICY(field) AT(policy.field), .governor = "baseline"

/* A policy that is on or off, and the release that turned it on. */
#define CHOICE(name, field, since)                                                                 \
	{                                                                                          \
		name, 0, "on|off", since, &parameter_choice, POLICY(field), .words = choice_words  \
	}

static const struct parameter policy_table[] = {
	{"baseline", 0, "KERNEL", "all policies as in 6.1, 6.12 or latest (latest)",
	 &parameter_choice, AT(baseline), .words = baseline_words, .in_title = true},
	{"lock", 0, "KIND", "mmu_lock: exclusive, shared or percpu", &parameter_choice,
	 POLICY(lock), .words = lock_words, .in_title = true},
	{"stats", 0, "KIND", "page statistics: shared or percpu", &parameter_choice, POLICY(stats),
	 .words = stats_words, .in_title = true},
	{"huge-fault", 0, "HOW", "a huge page above the goal: split (6.2) or zap",
	 &parameter_choice, POLICY(huge_fault), .words = huge_fault_words, .alias = "on-fault"},
	CHOICE("suppress-ve", suppress_ve, "bit 63 in every EPT entry (6.10)"),
	CHOICE("zap-flush-first", zap_flush_first, "flush before a zap is accounted (6.10)"),
	CHOICE("spurious-if-allowed", spurious_if_allowed,
	       "a fault that the leaf allows changes nothing (6.13)"),
	CHOICE("dirty-at-birth", dirty_at_birth, "a writable leaf begins dirty (6.13)"),
	CHOICE("software-ad", software_ad, "A and D masks without hardware A/D (6.13)"),
	CHOICE("quiet-spurious", quiet_spurious, "no set_spte event for an unchanged leaf (6.13)"),
	CHOICE("shared-root-alloc", shared_root_alloc, "roots made under the shared lock (6.9)"),
	CHOICE("zap-each-level", zap_each_level, "roots zapped level by level (6.9)"),
	CHOICE("skip-invalid-roots", skip_invalid_roots, "no flush for invalid roots (6.9)"),
	CHOICE("early-invalidation-check", early_invalidation_check,
	       "retry before mmu_lock is taken (6.9)"),
	CHOICE("lockless-age", lockless_age, "pages age without mmu_lock (6.15)"),
	CHOICE("slot-zap-all", slot_zap_all, "deleting a slot drops all roots"),
	{"range-flush", 0, "HOW", "a flush of a range takes all (full) or the range (exact)",
	 &parameter_choice, POLICY(range_flush), .words = range_flush_words},
	{"track", 0, "HOW", "writes are found by protection (wrprot) or D flags (dbit; EPT)",
	 &parameter_choice, POLICY(dirty_track), .words = track_words},
	CHOICE("eager-split", eager_split, "logged memory is split to 4K at once (5.18)"),
	CHOICE("clear-splits-last", clear_splits_last,
	       "clearing the log splits the last page too (not 6.1)"),
	{"recovery", 0, "HOW", "huge pages after logging: in-place (6.13) or zap",
	 &parameter_choice, POLICY(recovery), .words = recovery_words},
	CHOICE("nx", nx_huge_pages, "huge pages are never executable (off)"),
	CHOICE("nx-recovery-shared", nx_recovery_shared, "under the shared lock (6.18)"),
	CHOICE("nx-skip-logged", nx_skip_logged, "NX recovery leaves logged slots alone"),
};

const struct parameters policy_parameters = {
	"Policies (default: as the baseline has them):", policy_table,
	sizeof(policy_table) / sizeof(policy_table[0])};

/* One row for each field of struct tdp_policy, and the baseline's. */
_Static_assert(sizeof(policy_table) / sizeof(policy_table[0]) - 1 ==
		       sizeof(struct tdp_policy) / sizeof(enum tdp_choice),
	       "a policy has no option");
