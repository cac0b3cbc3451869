#!/bin/sh
# Simulated time as its users see it: --clock chooses the build, and one seed gives one
# result and one trace to the byte, whatever the CPUs, address layout, load and allocator
# of the host.
. "$TDPSIM_SOURCE/tests/cli/lib.sh"

guest="--vcpus 6 --bytes 1M --order random --overlap --check --seed 7"

# run NAME PREFIX...: one run, its result and its trace left as NAME.
run() {
    name=$1
    shift
    # shellcheck disable=SC2086  # lists of words
    "$@" "$bench/virtual/faultin" $guest --json --trace "$work/trace" >"$work/$name.json" ||
        fail "$name: exit status $?"
    mv "$work/trace" "$work/$name.trace"
}

same() {
    cmp "$work/first.json" "$work/$1.json" || fail "another result $2"
    cmp "$work/first.trace" "$work/$1.trace" || fail "another trace $2"
}

run first env
[ -s "$work/first.trace" ] || fail "the trace is empty"
grep -q '"clock": "virtual"' "$work/first.json" || fail "the result does not name its clock"
jq -e '.memory.rss_bytes == null and .check.violations == 0 and .phases[0].seconds > 0' \
    "$work/first.json" >/dev/null || fail "not the result of a virtual run"

run again env
same again "the second time"
run one taskset -c 0 && same one "on one CPU"
if setarch -R true 2>/dev/null; then
    run fixed setarch -R
    same fixed "without address randomisation"
fi
run heap env MALLOC_ARENA_MAX=1 MALLOC_CONF=narenas:1 MALLOC_PERTURB_=85 LONGER=$(seq -s, 999)
same heap "with another heap and environment"
(while :; do :; done) &
load=$!
run load env
kill $load
same load "under load"

# Each build executes the other one if --clock asks for it.
# shellcheck disable=SC2086
"$bench/faultin" $guest --clock virtual --json >"$work/asked.json" || fail "--clock virtual"
# shellcheck disable=SC2086
"$bench/virtual/faultin" $guest --json >"$work/twin.json" || fail "the twin"
cmp "$work/asked.json" "$work/twin.json" || fail "another result by --clock virtual"
"$bench/virtual/faultin" --bytes 64K --clock real --json | jq -e '.clock == "real"' >/dev/null ||
    fail "the twin does not give way to --clock real"

# Another seed gives another order.
"$bench/virtual/faultin" --vcpus 6 --bytes 1M --order random --overlap --seed 8 \
    --trace "$work/other" --json >/dev/null
cmp -s "$work/first.trace" "$work/other" && fail "another seed gives the same trace"

exit $failed
