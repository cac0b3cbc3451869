#!/bin/sh
# Each capture of a parallel scenario is one sample of a race. racing makes more of them:
# whatever the interleaving, replay finds that the trace agrees.
. "$TDPSIM_SOURCE/tests/conformance/lib.sh"
racing=${TDPSIM_BUILD:?run by ctest}/tests/racing
[ -x "$racing" ] || { echo "racing is not built"; exit 77; }

sample() {
	"$racing" "$@" >"$work/trace" || fail "racing $*"
	"$replay" --check "$work/trace" >"$work/out" 2>&1 && return
	fail "racing $*"
	cat "$work/out"
}

for kernel in 6.1 6.12; do
	for seed in 1 2 3 4 5 6; do
		sample 4k_4vcpu $kernel on $seed
		sample dirty_4vcpu $kernel on $seed
		sample dirty_4vcpu $kernel off $seed
		sample race $kernel on $seed
	done
done
exit $((failures > 0))
