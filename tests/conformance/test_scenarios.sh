#!/bin/sh
# What the given traces do not hold is synthesised (synthesise.awk), for each kernel and
# each machine: the simulator agrees to the end, and the checker finds nothing.
. "$TDPSIM_SOURCE/tests/conformance/lib.sh"

for scenario in "$conformance"/scenarios/*; do
	name=scenarios/${scenario##*/}
	kernels=$(sed -n 's/^# kernels: //p' "$scenario")
	for kernel in ${kernels:-6.1 6.12}; do
		for machine in npt ept nopml noad; do
			trace=$work/${scenario##*/}-$kernel-$machine
			synthesise "$name" "$kernel-$machine" >"$trace" || fail "$trace is not made"
			"$replay" --check "$trace" >"$work/out" 2>&1 && continue
			fail "$name, $kernel on $machine"
			cat "$work/out"
		done
	done
done

# Ageing while a guest instruction runs, at random: no line shows which came first. Then the
# same with lines of the guest between those of one ageing.
ages() {
	[ $machine = noad ] && code=0 || code=1
	awk -v seed=$seed -v code=$code -v apart=$apart -f "$conformance/ages.awk" >"$work/ages"
	synthesise_from "$work/ages" 6.12-$machine >"$work/trace" || fail "ages, seed $seed"
	"$replay" --check "$work/trace" >"$work/out" 2>&1 && lockless_ages && return
	fail "ageing at random, seed $seed, apart $apart, on $machine"
	cat "$work/out"
}

# With A/D flags 6.16 prints the same, although it ages without mmu_lock.
lockless_ages() {
	[ $machine = noad ] && return
	sed 's/^# kernel 6\.12.*/# kernel 6.16.12/' "$work/trace" >"$work/lockless"
	grep -q '^# kernel 6.16' "$work/lockless" &&
		"$replay" --check "$work/lockless" >"$work/out" 2>&1
}
for machine in npt ept noad; do
	for seed in 1 2 3 4 5; do
		for apart in 0 1; do
			ages
		done
	done
done
exit $((failures > 0))
