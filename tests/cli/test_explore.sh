#!/bin/sh
# bench/explore as its users meet it: what it lists, refuses and reports, and that a
# seed is a run.
set -eu
LC_ALL=C
export LC_ALL
explore=${TDPSIM_BENCH:-build/debug/bench}/explore
[ -x "$explore" ] || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
    echo "FAILED: $*"
    failed=1
}

# refuses WORDS ARGUMENTS...
refuses() {
    words=$1
    shift
    status=0
    "$explore" "$@" >"$work/out" 2>"$work/err" || status=$?
    [ "$status" = 2 ] || fail "explore $*: exit status $status instead of 2"
    grep -q -- "$words" "$work/err" || fail "explore $*: no '$words' in its complaint"
}

refuses "which scenario"
refuses "no scenario 'nonsense'" nonsense
refuses "no schedule 'fair'" mix --schedule fair
refuses "no number" mix --schedules 0
refuses "no number" mix --schedule pct:0
refuses "one scenario" mix iter_vs_zap

[ "$("$explore" --list | wc -l)" -ge 12 ] || fail "fewer than twelve scenarios"

for schedule in random pct pct:5 exhaustive; do
    for run in first second; do
        "$explore" split_vs_split --schedule $schedule --schedules 20 --steps 1000 --seed 3 \
            --json >"$work/$run" || fail "$schedule: exit status $?"
    done
    cmp "$work/first" "$work/second" || fail "$schedule: the same seed, another result"
    jq -e '.tool == "explore" and .scenarios[0].schedules == 20 and .check.violations == 0 and
        .scenarios[0].steps > 10000 and .scenarios[0].failure == null' "$work/first" \
        >/dev/null || fail "$schedule: $(cat "$work/first")"
done

"$explore" all --schedules 3 --steps 500 --json >"$work/all" || fail "all: exit status $?"
jq -e --argjson count "$("$explore" --list | wc -l)" '.scenarios | length == $count' "$work/all" \
    >/dev/null || fail "all are not all"

exit $failed
