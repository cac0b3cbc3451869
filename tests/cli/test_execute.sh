#!/bin/sh
# bench/execute as its users see it: how many faults NX huge pages cost, with splits and
# with zaps, and the report of the kernel's selftest.
#
# The expected numbers, from the rules of the fault path (a fetch maps 4K pages only, and a
# split makes 2M leaves that are not executable):
#   split  one fault for each 2M region that is executed, whatever the backing
#   zap    one for each 4K page
# They do not include retries, which vCPUs that share a 1G leaf may take.
. "$TDPSIM_SOURCE/tests/cli/lib.sh"
driver=execute

useful='(.phases[1] | .pf_taken - .retries)'
sound='[.phases[].name] == ["populate", "execute"] and .stats.errors == 0
    and all(.phases[]; .pf_taken == .pf_fixed + .pf_spurious + .pf_emulate + .retries)
    and .check.failed == 0'
whole="$sound and .check.violations == 0"

# Each vCPU has its own 1G leaf, so they do not contend. In simulated time two of them may
# make a root at the same moment as they start. Two million faults take minutes under a
# sanitizer, which finds no more in them than in a few.
clocks="real virtual"
[ -z "${TDPSIM_SANITIZE:-}" ] || clocks=
for clock in $clocks; do
    expect 0 -v 4 -b 1G --backing 1g --clock "$clock" --json
    holds "$sound and [.phases[] | .pf_taken - .retries] == [4, 2048]
        and .phases[1].faults_expected == 2048 and .phases[1].retries == 0
        and .phases[0].pages_1g == 4 and .phases[1].pages_1g == 0
        and .phases[1].pages_4k == 1048576" "1g, split, $clock"
    expect 0 -v 4 -b 1G --backing 1g --clock "$clock" --on-fault zap --json
    holds "$sound and [.phases[] | .pf_taken - .retries] == [4, 1048576]
        and .phases[1].faults_expected == 1048576 and .phases[1].retries == 0
        and .phases[1].pf_fixed == 1048576 and .phases[1].stall.count == 1048576" \
        "1g, zap, $clock"
done

# Regions of a shared 1G leaf, of 2M leaves, and no huge leaf; MiB of each vCPU.
for format in npt ept; do
    for baseline in 6.1 6.12 latest; do
        for backing in 1g 2m 4k; do
            options="-v 3 -b 24M --backing $backing --format $format --baseline $baseline"
            for kind in split:36 zap:18432; do
                faults=${kind#*:}
                [ $backing != 4k ] || faults=0
                # shellcheck disable=SC2086  # a list of words
                expect 0 $options --on-fault ${kind%:*} --check --json
                holds "$whole and $useful == $faults
                    and .phases[1].faults_expected == $faults" "$options" "$kind"
            done
            # shellcheck disable=SC2086
            expect 0 $options --nx off --check --json
            holds "$whole and .phases[1].pf_taken == 0 and .phases[1].stall.count == 0" \
                "$options" "nx off"
        done
    done
done

# Random order; memory that is not a multiple of a region; shared memory.
expect 0 -v 3 -b 24M -s 1g --order random --check --json
holds "$whole and $useful == 36" "in random order"
expect 0 -v 2 -b 3M -s 2m --check --json
holds "$whole and .phases[1].faults_expected == 3 and $useful >= 3" "half a region"
expect 0 -v 4 -b 8M -s 1g --overlap --check --json
holds "$whole and .phases[1].faults_expected == 4 and $useful >= 4" "overlap"
expect 2 -b 5000
grep -qF 'is not a multiple of the size of an access step, 4K' "$work/err" || fail "-b 5000"

# Only the report of the selftest.
expect 0 -v 2 -b 8M -s anonymous_hugetlb_2mb --seed 18 --selftest-format
cat >"$work/wanted" <<'END'
Random seed: 0x12
Testing guest mode: PA-bits:ANY, VA-bits:48,  4K pages
guest physical test memory: [0x100000000, 0x101000000)
Populating memory             : T
Executing from memory         : T
END
sed -E 's/[0-9]+\.[0-9]{9}s$/T/' "$work/out" | cmp - "$work/wanted" || fail "--selftest-format"
expect 2 --selftest-format --json
expect 2 --selftest-format --vary nx=on,off

# Simulated time: one seed gives one result, which shows the cost of zaps.
for run in a b; do
    "$bench/execute" -v 4 -b 16M -s 1g --clock virtual --vary on-fault=split,zap --json \
        >"$work/$run" || fail "virtual time: exit status $?"
done
cmp "$work/a" "$work/b" || fail "another result the second time"
cp "$work/a" "$work/out"
holds '[.runs[].phases[1] | .pf_taken - .retries] == [32, 16384]
    and .runs[1].phases[1].stall.total_ns > 2 * .runs[0].phases[1].stall.total_ns' "virtual time"

exit $failed
