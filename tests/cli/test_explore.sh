#!/bin/sh
# bench/explore as its users see it: what it lists, refuses and reports; that a seed
# repeats a run; and that its child process ends when explore is killed.
. "$TDPSIM_SOURCE/tests/cli/lib.sh"
driver=explore
[ -x "$bench/$driver" ] || exit 77

refuses "no scenario given"
refuses "unknown scenario 'nonsense'" nonsense
refuses "unknown schedule 'fair'" mix --schedule fair
refuses "not a number" mix --schedules 0
refuses "not a number" mix --schedule pct:0
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

# The search of a small scenario ends and reports that it is complete: no schedule with
# so many preemptions is left. Three players that do not wait for each other have 3!
# orders without a preemption.
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
    fail "a search that was cut short is reported as complete"

"$bench/explore" all --schedules 3 --steps 500 --json >"$work/all" || fail "all: exit status $?"
jq -e --argjson count "$("$bench/explore" --list | wc -l)" '.scenarios | length == $count' "$work/all" \
    >/dev/null || fail "'all' does not run every scenario"

# runs PID: the process exists. One that has ended may wait as a zombie to be reaped.
runs() {
    [ -n "$1" ] && [ -r "/proc/$1/stat" ] && ! grep -q ') [ZX] ' "/proc/$1/stat"
}
"$bench/explore" mix --schedules 1000000 >/dev/null 2>&1 &
explore=$!
for _ in $(seq 100); do
    child=$(ps -o pid= --ppid $explore | tr -d ' ') || true
    [ -z "$child" ] || break
    sleep 0.1
done
if [ -z "$child" ]; then
    fail "explore starts no child process"
else
    sleep 0.1 # the child asks for the signal as its first act
    runs "$child" || fail "the child process does not run"
fi
kill -KILL $explore
wait $explore 2>/dev/null || true
for _ in $(seq 100); do
    runs "$child" || break
    sleep 0.1
done
if runs "$child"; then
    fail "the child process runs on after explore was killed"
    kill -KILL "$child"
fi

exit $failed
