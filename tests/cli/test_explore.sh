#!/bin/sh
# bench/explore as its users meet it: what it lists, refuses and reports, and that a
# seed is a run.
. "$TDPSIM_SOURCE/tests/cli/lib.sh"
driver=explore
[ -x "$bench/$driver" ] || exit 77

refuses "which scenario"
refuses "no scenario 'nonsense'" nonsense
refuses "no schedule 'fair'" mix --schedule fair
refuses "no number" mix --schedules 0
refuses "no number" mix --schedule pct:0
refuses "one scenario" mix iter_vs_zap

[ "$("$bench/explore" --list | wc -l)" -ge 12 ] || fail "fewer than twelve scenarios"

for schedule in random pct pct:5 exhaustive; do
    for run in first second; do
        "$bench/explore" split_vs_split --schedule $schedule --schedules 20 --steps 1000 --seed 3 \
            --json >"$work/$run" || fail "$schedule: exit status $?"
    done
    cmp "$work/first" "$work/second" || fail "$schedule: the same seed, another result"
    jq -e '.tool == "explore" and .scenarios[0].schedules == 20 and .check.violations == 0 and
        .scenarios[0].steps > 10000 and .scenarios[0].failure == null' "$work/first" \
        >/dev/null || fail "$schedule: $(cat "$work/first")"
done

# The search of a small scenario comes to an end, and says so: with so many preemptions
# there is nothing left to try. Three players, none of whom has to wait for another one
# in the end: 3! orders without a preemption.
exhausts() {
    "$bench/explore" "small_$1" --schedule exhaustive --preemptions "$2" --schedules 1000000 --json \
        >"$work/out" || fail "small_$1: exit status $?"
    jq -e --argjson least "$3" --argjson most "$4" '.check.violations == 0 and
        (.scenarios[0] | .complete and .schedules >= $least and .schedules <= $most)' \
        "$work/out" >/dev/null || fail "small_$1: $(cat "$work/out")"
}
for scenario in unmap_vs_fault two_unmaps zap_vs_fault freeze_vs_link huge_zap_vs_access \
    split_vs_split mmio_vs_create fast_vs_unmap clear_vs_fast clear_vs_unmap \
    age_vs_fast nx_fetch_vs_read; do
    exhausts $scenario 0 6 6
    exhausts $scenario 1 100 100000
done
exhausts table_vs_huge 0 24 24
exhausts table_vs_huge 1 100 100000
exhausts long_invalidation 1 10 100000
"$bench/explore" small_unmap_vs_fault --schedule exhaustive --schedules 20 --json >"$work/out"
jq -e '.scenarios[0] | .schedules == 20 and (.complete | not)' "$work/out" >/dev/null ||
    fail "a search that was cut short is called complete"

"$bench/explore" all --schedules 3 --steps 500 --json >"$work/all" || fail "all: exit status $?"
jq -e --argjson count "$("$bench/explore" --list | wc -l)" '.scenarios | length == $count' "$work/all" \
    >/dev/null || fail "all are not all"

exit $failed
