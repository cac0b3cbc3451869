/*
 * Policies: where kernels differ
 *
 * A policy is a field of struct tdp_policy and a row here: its name and words as
 * an option has them, the release that changed it, what it does, and its value in
 * each baseline. Nothing else in the library knows a baseline. The drivers build
 * their options from the rows, and tests hold docs/model.md and the man pages
 * against them.
 */
#include "vm/policy.h"

#include <errno.h>
#include <string.h>

static const char *const baseline_names[] = {
	[TDP_BASELINE_5_13] = "5.13", [TDP_BASELINE_5_14] = "5.14", [TDP_BASELINE_6_1] = "6.1",
	[TDP_BASELINE_6_12] = "6.12", [TDP_BASELINE_6_16] = "6.16", [TDP_BASELINE_6_18] = "6.18",
	[TDP_BASELINE_7_2] = "7.2",
};

#define BASELINE_FIRST	TDP_BASELINE_5_13
#define BASELINE_LAST	TDP_BASELINE_7_2
#define BASELINE_NEWEST TDP_BASELINE_7_2
#define BASELINES	(BASELINE_LAST - BASELINE_FIRST + 1)

/* Words in the order of the field's enum, which begins with "as the baseline". */
static const char *const choice_words[] = {"on", "off", NULL};
static const char *const lock_words[] = {"exclusive", "shared", "percpu", NULL};
static const char *const stats_words[] = {"shared", "percpu", NULL};
static const char *const huge_fault_words[] = {"split", "zap", NULL};
static const char *const range_flush_words[] = {"full", "exact", NULL};
static const char *const dirty_track_words[] = {"wrprot", "dbit", NULL};
static const char *const recovery_words[] = {"in-place", "zap", NULL};
static const char *const layout_words[] = {"5.13", "7.2", NULL};
static const char *const role_words[] = {"guest", "paged", "fixed", NULL};
static const char *const ret_pf_words[] = {"from-0", "from-1", "write-protected", NULL};

struct policy_row {
	struct tdp_policy_info info;
	unsigned char values[BASELINES];
};

#define ROW(field, name, words, since, help, ...)                                                  \
	{                                                                                          \
		{name, help, since, words, offsetof(struct tdp_policy, field)},                    \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define CHOICE(field, name, since, help, ...)                                                      \
	ROW(field, name, choice_words, since, help, __VA_ARGS__)

/* Values of the baselines 5.13, 5.14, 6.1, 6.12, 6.16, 6.18 and 7.2, in this order. */
#define FROM_7_2(value)	 value
#define FROM_6_18(value) value, FROM_7_2(value)
#define FROM_6_16(value) value, FROM_6_18(value)
#define FROM_6_12(value) value, FROM_6_16(value)
#define FROM_6_1(value)	 value, FROM_6_12(value)
#define ALL(value)	 value, value, FROM_6_1(value)
/* One value until a baseline, another one after it. */
#define UNTIL_5_14(old, later) old, old, FROM_6_1(later)
#define UNTIL_6_1(old, later)  old, old, old, FROM_6_12(later)
#define UNTIL_6_12(old, later) old, old, old, old, FROM_6_16(later)
#define UNTIL_6_16(old, later) old, old, old, old, old, FROM_6_18(later)
#define UNTIL_6_18(old, later) old, old, old, old, old, old, FROM_7_2(later)

static const struct policy_row rows[] = {
	ROW(lock, "lock", lock_words, NULL, "kind of mmu_lock", ALL(TDP_LOCK_SHARED)),
	ROW(stats, "stats", stats_words, NULL,
	    "who counts mapped pages: words of the VM, or each vCPU", ALL(TDP_STATS_SHARED)),
	ROW(huge_fault, "huge-fault", huge_fault_words, "6.2",
	    "a fault splits or zaps a huge leaf above its goal",
	    UNTIL_6_1(TDP_HUGE_FAULT_ZAP, TDP_HUGE_FAULT_SPLIT)),
	CHOICE(suppress_ve, "suppress-ve", "6.10",
	       "bit 63 is set in every EPT entry and in empty ones", UNTIL_6_1(TDP_OFF, TDP_ON)),
	CHOICE(zap_flush_first, "zap-flush-first", "6.10",
	       "an atomic zap flushes before it accounts", UNTIL_6_1(TDP_OFF, TDP_ON)),
	CHOICE(spurious_if_allowed, "spurious-if-allowed", "6.13",
	       "a fault that the leaf allows changes nothing", UNTIL_6_12(TDP_OFF, TDP_ON)),
	CHOICE(dirty_at_birth, "dirty-at-birth", "6.13", "a writable leaf always begins dirty",
	       UNTIL_6_12(TDP_OFF, TDP_ON)),
	CHOICE(software_ad, "software-ad", "6.13", "entries keep A and D without hardware A/D",
	       UNTIL_6_12(TDP_OFF, TDP_ON)),
	CHOICE(quiet_spurious, "quiet-spurious", "6.13", "no set_spte event for an unchanged leaf",
	       UNTIL_6_12(TDP_OFF, TDP_ON)),
	CHOICE(shared_root_alloc, "shared-root-alloc", "6.9",
	       "roots are made under the shared lock", UNTIL_6_1(TDP_OFF, TDP_ON)),
	CHOICE(zap_each_level, "zap-each-level", "6.9",
	       "roots are zapped level by level, not 1G at a time", UNTIL_6_1(TDP_OFF, TDP_ON)),
	CHOICE(skip_invalid_roots, "skip-invalid-roots", "6.9",
	       "zaps in invalid roots owe no flush", UNTIL_6_1(TDP_OFF, TDP_ON)),
	CHOICE(early_invalidation_check, "early-invalidation-check", "6.9",
	       "a fault checks for invalidations before mmu_lock", UNTIL_6_1(TDP_OFF, TDP_ON)),
	CHOICE(lockless_age, "lockless-age", "6.15", "pages age without mmu_lock",
	       UNTIL_6_12(TDP_OFF, TDP_ON)),
	CHOICE(slot_zap_all, "slot-zap-all", NULL,
	       "deleting a slot drops all roots, not its leaves only", ALL(TDP_ON)),
	ROW(range_flush, "range-flush", range_flush_words, NULL,
	    "a flush of a range empties the TLB, or only the range", ALL(TDP_RANGE_FLUSH_FULL)),
	ROW(dirty_track, "track", dirty_track_words, NULL,
	    "writes are found by write protection, or by D flags (EPT)", ALL(TDP_DIRTY_TRACK_DBIT)),
	CHOICE(eager_split, "eager-split", "5.18",
	       "logged memory is split to 4K before it is written", UNTIL_5_14(TDP_OFF, TDP_ON)),
	CHOICE(clear_splits_last, "clear-splits-last", "6.2",
	       "clearing the log splits the last page asked for too", UNTIL_6_1(TDP_OFF, TDP_ON)),
	ROW(recovery, "recovery", recovery_words, "6.13",
	    "when logging ends, tables become huge leaves, or are zapped",
	    UNTIL_6_12(TDP_RECOVERY_ZAP, TDP_RECOVERY_IN_PLACE)),
	CHOICE(nx_huge_pages, "nx", NULL, "huge pages are never executable", ALL(TDP_OFF)),
	CHOICE(nx_recovery_shared, "nx-recovery-shared", "6.18",
	       "NX recovery takes mmu_lock shared", UNTIL_6_16(TDP_OFF, TDP_ON)),
	CHOICE(nx_skip_logged, "nx-skip-logged", "6.2", "NX recovery leaves logged slots alone",
	       UNTIL_6_1(TDP_OFF, TDP_ON)),
	ROW(layout, "layout", layout_words, "7.2", "bits of entries and role words",
	    UNTIL_6_18(TDP_ENTRY_LAYOUT_5_13, TDP_ENTRY_LAYOUT_7_2)),
	ROW(role, "role", role_words, "5.14, 5.19",
	    "NX and WP of a role: the guest's, only if it pages, or 1", TDP_ROLE_GUEST,
	    TDP_ROLE_PAGED, FROM_6_1(TDP_ROLE_FIXED)),
	ROW(ret_pf, "ret-pf", ret_pf_words, "5.18, 6.12", "numbers of RET_PF results in events",
	    TDP_RET_PF_FROM_0, TDP_RET_PF_FROM_0, TDP_RET_PF_FROM_1,
	    FROM_6_12(TDP_RET_PF_WRITE_PROTECTED)),
	CHOICE(narrow_fast_error, "narrow-fast-error", "6.12",
	       "events of fast page faults have 32 bits of the error word",
	       UNTIL_6_1(TDP_ON, TDP_OFF)),
	CHOICE(log_youngest_first, "log-youngest-first", "6.13",
	       "a CPU's log of writes is read from its youngest entry",
	       UNTIL_6_12(TDP_ON, TDP_OFF)),
	CHOICE(removed_table_first, "removed-table-first", "7.2",
	       "a removed table's events precede its parent entry's", UNTIL_6_18(TDP_OFF, TDP_ON)),
	CHOICE(ept_read_is_user, "ept-read-is-user", "7.2", "the error word of an EPT read has U",
	       UNTIL_6_18(TDP_ON, TDP_OFF)),
	CHOICE(exit_keeps_log, "exit-keeps-log", "6.18, 7.2",
	       "an exit to user space keeps the CPU's log of writes (a bug)", TDP_OFF, TDP_OFF,
	       TDP_OFF, TDP_OFF, TDP_OFF, TDP_ON, TDP_OFF),
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* The last field, so that ROWS says how many there are, padding or not. */
_Static_assert(sizeof(size_t) + (ROWS - 1) * sizeof(unsigned int) ==
		       offsetof(struct tdp_policy, exit_keeps_log),
	       "each field of struct tdp_policy has one row");

/* NULL: there is none. */
static const char *name_of(enum tdp_baseline baseline)
{
	return baseline >= BASELINE_FIRST && baseline <= BASELINE_LAST ? baseline_names[baseline]
								       : NULL;
}

static enum tdp_baseline real(enum tdp_baseline baseline)
{
	return baseline == TDP_BASELINE_LATEST ? BASELINE_NEWEST : baseline;
}

const char *tdp_baseline_name(enum tdp_baseline baseline)
{
	return name_of(real(baseline));
}

int tdp_baseline_find(const char *name, enum tdp_baseline *baseline)
{
	if (strcmp(name, "latest") == 0) {
		*baseline = TDP_BASELINE_LATEST;
		return 0;
	}
	for (enum tdp_baseline b = BASELINE_FIRST; b <= BASELINE_LAST; b++) {
		if (strcmp(name, baseline_names[b]) == 0) {
			*baseline = b;
			return 0;
		}
	}
	return -ENOENT;
}

const struct tdp_policy_info *tdp_policy_describe(unsigned int index)
{
	return index < ROWS ? &rows[index].info : NULL;
}

int tdp_policy_value(unsigned int index, enum tdp_baseline baseline, unsigned int *value)
{
	if (index >= ROWS || !tdp_baseline_name(baseline))
		return -ENOENT;
	*value = rows[index].values[real(baseline) - BASELINE_FIRST];
	return 0;
}

static unsigned int values_of(const struct policy_row *row)
{
	unsigned int values = 0;

	while (row->info.words[values])
		values++;
	return values;
}

/* All fields of struct tdp_policy but its size are enums without negative values: unsigned int. */
static unsigned int field_get(const struct tdp_policy *policy, size_t offset)
{
	unsigned int value;

	memcpy(&value, (const char *)policy + offset, sizeof(value));
	return value;
}

static void field_set(struct tdp_policy *policy, size_t offset, unsigned int value)
{
	memcpy((char *)policy + offset, &value, sizeof(value));
}

int policy_resolve(enum tdp_baseline baseline, const struct tdp_policy *asked,
		   struct tdp_policy *resolved)
{
	struct tdp_policy policy = {.size = sizeof(policy)};

	if (!tdp_baseline_name(baseline))
		return -EINVAL;
	for (unsigned int i = 0; i < ROWS; i++) {
		const struct policy_row *row = &rows[i];
		unsigned int value = field_get(asked, row->info.offset);

		if (value > values_of(row))
			return -EINVAL;
		if (!value)
			value = row->values[real(baseline) - BASELINE_FIRST];
		field_set(&policy, row->info.offset, value);
	}
	*resolved = policy;
	return 0;
}
