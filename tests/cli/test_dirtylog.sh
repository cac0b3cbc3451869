#!/bin/sh
# bench/dirtylog as its users see it: the faults of each phase, with eager splits and with
# splits and zaps on a fault, and that no written page is missing in the log.
#
# The expected numbers: a protected page faults at its first write only, whether it is 4K
# already or its huge leaf is split. If the huge leaf is zapped instead, every page that is
# accessed after that faults once, also by a read, and is in the log, because it is mapped
# writable. Without manual protection (-g) this happens in dirty-1; with it nothing is
# protected before clear-1, so it happens in dirty-2.
. "$TDPSIM_SOURCE/tests/cli/lib.sh"
driver=dirtylog
# shellcheck disable=SC2016  # a variable of jq
definitions='def phase($name): .phases[] | select(.name == $name);'

refuses "--iterations '0'" -i 0
refuses "is not a power of two" --log ring --ring-entries 1000
refuses "exclude each other" -a --order random
refuses "is not a multiple of the size of an access step" -b 5000
refuses "64P of guest memory from 4G up do not fit" -v 4096 -b 4096T
refuses "logging 2P of guest memory takes 5120 GiB, but this machine has" -b 2048T -s 1g --levels 5
refuses "writes are logged by D flags only where EPT keeps them" -b 1M --track dbit

sound='.check.failed == 0 and (.check.violations // 0) == 0 and .stats.errors == 0
    and ([.phases[].pf_taken] | add) == .stats.pf_taken
    and all(.phases[]; .pf_taken == .pf_fixed + .pf_spurious + .pf_emulate + .retries
        and .stall.count <= .accesses)
    and all(.phases[] | select(has("pages_lost")); .pages_lost == 0)'
names_g='[.phases[].name] == ["populate", "enable", "dirty-1", "get-1", "dirty-2", "get-2", "disable"]'
names='[.phases[].name] == ["populate", "enable", "dirty-1", "get-1", "clear-1",
    "dirty-2", "get-2", "clear-2", "disable"]'

# The phase in which the pages of huge leaves fault, for splits and zaps. 8 vCPUs x 8M:
# 16384 pages in one leaf of 1G or 32 of 2M. Few pages are read before a leaf is zapped,
# because each vCPU writes every page or every 20th.
for backing in 1g "2m --check"; do
    for write in 5 100; do
        for log in -g:1 :2; do
            n=${log#*:}
            for how in "on split" "on zap" "off split" "off zap"; do
                options="-v 8 -b 8M -s $backing -w $write ${log%:*}"
                options="$options --eager-split ${how% *} --on-fault ${how#* }"
                # shellcheck disable=SC2086  # a list of words
                expect 0 $options --json
                if [ "$n" = 1 ]; then
                    holds "$sound and $names_g" "$options"
                else
                    holds "$sound and $names and phase(\"dirty-1\").pf_taken == 0
                        and phase(\"get-1\").pages_reported >= 16384" "$options"
                fi
                [ $write = 5 ] || holds "phase(\"dirty-$n\").pf_fixed == 16384" "$options"
                jq ".phases[] | select(.name == \"dirty-$n\") | .pf_taken" "$work/out" >"$work/${how#* }"
                [ "$how" != "off zap" ] || continue
                holds "phase(\"dirty-$n\") | .pf_fixed == .pages_written
                    and .pf_fixed_least == .pages_written" "$options"
                holds "phase(\"get-$n\").pages_reported == phase(\"dirty-$n\").pages_written" \
                    "$options"
            done
            holds "phase(\"dirty-$n\") | .pf_fixed <= 16384 and .pf_fixed > 15000
                and .pf_fixed == .pf_fixed_least and .pf_fixed == .pf_fixed_most" "$options"
            holds "phase(\"get-$n\").pages_reported == phase(\"dirty-$n\").pf_fixed" "$options"
            [ $write = 100 ] || [ "$(cat "$work/zap")" -ge $((15 * $(cat "$work/split"))) ] ||
                fail "$options: $(cat "$work/zap") faults, by splits $(cat "$work/split")"
        done
    done
done

# One vCPU: exact numbers of each kind. 64M have 32 regions of 2M, all of which are written.
alone="-v 1 -b 64M -w 20 --check --json"
# shellcheck disable=SC2086
{
    expect 0 $alone -g -s 1g --eager-split on
    holds "$sound"' and all(phase("dirty-1", "dirty-2"); .pf_fast == .pages_written
        and .pf_taken == .pages_written)' "alone, eager"
    expect 0 $alone -g -s 1g --eager-split off
    holds "$sound"' and (phase("dirty-1") | .pf_fast == .pages_written - 32
        and .pf_taken == .pages_written)
        and (phase("dirty-2") | .pf_fast == .pages_written)' "alone, split on fault"
    expect 0 $alone -s 1g --eager-split off
    holds "$sound"' and (phase("dirty-2") | .pf_fast == 0 and .pf_taken == .pages_written)' \
        "alone, split on fault after a clear, which takes the fast path away"
    expect 0 $alone -g -s 1g --eager-split off --on-fault zap
    holds "$sound"' and (phase("dirty-1") | .pf_fast == 0 and .pf_taken == .pf_fixed)
        and phase("dirty-2").pf_taken == phase("dirty-2").pf_fixed_least' "alone, zap"
    expect 0 $alone -s 4k
    holds "$sound"' and phase("dirty-1").pf_taken == 0
        and (phase("dirty-2") | .pf_fast == .pages_written and .pf_taken == .pages_written)' \
        "alone, 4k"
    # If the CPU logs, 4K leaves stay writable: no page faults, and none is lost.
    expect 0 $alone -g -s 1g --format ept --eager-split on
    holds "$sound"' and .config.track == "dbit" and all(phase("dirty-1", "dirty-2"); .pf_taken == 0)
        and all(phase("get-1", "get-2"); .pages_reported > 3000)' "alone, D flags"
}
holds 'phase("get-1").pages_reported == phase("dirty-1").pages_written' "D flags report what was written"

# Other orders, slots, shared memory, more rounds, other kernels; vCPUs that run while
# logging ends, after which huge pages return. No page is lost.
for options in "-a" "--order random" "-x 4" "-o" "-o -a" "-i 5" "-e" "-e -g" \
    "--baseline 6.12" "--baseline 6.1" "--baseline 6.1 -o -a -g" "--guest-memory 64M -x 4" \
    "--format ept --levels 5 -a -o" "--format ept --track wrprot -e" "--lock percpu" "-w 0" \
    "--format ept --ad off -o" "-s 4k -x 3 -a" "-s 4k -g -b 300K"; do
    for how in "on split" "off zap"; do
        # shellcheck disable=SC2086
        expect 0 -v 3 -b 4M -s 2m -w 30 --eager-split ${how% *} --on-fault ${how#* } \
            $options --check --json
        holds "$sound" "$options" "$how"
    done
done

# With -e each vCPU makes a pass that begins after logging is off. So the phase counts all
# faults of recovery: until 6.12 recovery removes the tables of each 2M region, and the next
# access to it faults. Since 6.18 it puts the huge leaf in place of the table.
# disable KERNEL OPTIONS...
disable() {
    expect 0 -v 4 -b 16M --backing 2m -e --format ept --clock virtual --baseline "$@" --json
}
disable 6.12
holds 'phase("disable") | .pf_fixed == 32 and .pages_2m == 32 and .accesses >= 16384' "6.12"
flushes=$(jq '.phases[] | select(.name == "disable").remote_tlb_flush' "$work/out")
disable 6.18
holds "phase(\"disable\") | .pf_fixed == 0 and .pages_2m == 32 and
    ($flushes - .remote_tlb_flush | . == 31 or . == 32)" "6.18"
disable 6.12 -a
holds 'phase("disable") | .pf_fixed == 32 and .pages_2m == 32' "6.12 -a"
# Its bug loses at most what the CPUs' logs of writes hold; the next kernel loses nothing.
loses() {
    expect 0 -v 2 -b 8M --backing 2m --format ept --baseline "$1" --clock virtual --json
    holds "[.phases[].pages_lost // empty] | add $2" "$1"
}
loses 6.18 '> 0'
loses 7.2 '== 0'

# Rings: harvested and reset after each round, and whenever a vCPU finds its ring full.
for options in "" "-a" "-o -i 3" "-e" "-s 4k" "--baseline 6.1" "--format ept" "--format ept -a -e" \
    "--format ept --track wrprot"; do
    for how in "on split" "off zap" "off split"; do
        # shellcheck disable=SC2086
        expect 0 -v 3 -b 6M -s 2m -w 70 --eager-split ${how% *} --on-fault ${how#* } \
            --log ring --ring-entries 1024 $options --check --json
        holds "$sound" "ring" "$options" "$how"
    done
done
expect 0 -v 2 -b 4M --log ring --json
holds "$sound and $names and all(phase(\"dirty-1\", \"dirty-2\");
    .pf_fixed == 2048 and .rings_full == 0)" "rings with room enough"
# A vCPU exits when 960 entries of its ring are in use. The page that filled the ring is
# protected again before it is written.
expect 0 -v 1 -b 8M --log ring --ring-entries 1024 --json
holds "$sound and all(phase(\"dirty-1\", \"dirty-2\"); .rings_full == 2
    and .pf_fixed == 2050 and .stall.count == 2048)" "how often a ring is full"

expect 0 -v 2 -b 8M -s 2m -g --json
holds '[.phases[].pages_2m] == [8, 0, 0, 0, 0, 0, 8]' "huge pages come back in place"
expect 0 -v 2 -b 8M -s 2m -g --recovery zap --json
holds '[.phases[] | .pages_2m, .pages_4k] | .[-2:] == [0, 0]' "zapped tables come back by faults"

# The report of the selftest.
expect 0 -v 2 -b 8M -s 2m --selftest-format
cat >"$work/wanted" <<'END'
Random seed: 0x1
Test iterations: 2
Testing guest mode: PA-bits:ANY, VA-bits:48,  4K pages
guest physical test memory: [0x100000000, 0x101000000)
Populate memory time: T
Enabling dirty logging time: T

Iteration 1 dirty memory time: T
Iteration 1 get dirty log time: T
Iteration 1 clear dirty log time: T
Iteration 2 dirty memory time: T
Iteration 2 get dirty log time: T
Iteration 2 clear dirty log time: T
Disabling dirty logging time: T
Get dirty log over 2 iterations took T. (Avg T/iteration)
Clear dirty log over 2 iterations took T. (Avg T/iteration)
END
sed -E 's/[0-9]+\.[0-9]{9}s/T/g' "$work/out" | cmp - "$work/wanted" || fail "--selftest-format"
expect 0 -v 2 -b 8M -g --selftest-format
! grep -qi clear "$work/out" || fail "a clear without manual protection"

# The config of a result repeats the run; repetitions are not iterations here.
expect 0 -v 2 -b 4M -i 3 --repeat 4 -g -a -e -w 7 -r 99 --json
holds '(.iteration_seconds | length) == 4 and .config.iterations == 3 and .seed == 99' repeat
jq .config "$work/out" >"$work/config"
expect 0 --config "$work/config" --json
jq .config "$work/out" | cmp -s - "$work/config" || fail "--config changes the config"

# Ctrl-C: the phases that ran.
status=0
timeout --foreground --preserve-status -s INT 1 "$bench/dirtylog" -v 2 -b 64M -i 10000 --json \
    >"$work/out" || status=$?
[ $status = 130 ] || fail "exit status $status after Ctrl-C"
holds '.interrupted and .phases[0].name == "populate" and .check.failed == 0' interrupted

status=0
timeout --foreground --preserve-status -s INT 1 "$bench/dirtylog" -v 2 -b 64M -i 10000 \
    --selftest-format >"$work/out" || status=$?
[ $status = 130 ] || fail "exit status $status after Ctrl-C"
gets=$(grep -c 'get dirty log time' "$work/out" || :)
[ "$gets" = 0 ] || grep -q "^Get dirty log over $gets iterations took" "$work/out" ||
    fail "the average of another number of iterations than $gets"

# Simulated time: the same result to the byte, with vCPUs that contend.
for options in "-g -s 2m" "-e -s 2m --on-fault zap --eager-split off" "-o -a -s 2m"; do
    for run in a b; do
        # shellcheck disable=SC2086
        "$bench/dirtylog" -v 5 -b 5M -w 30 $options --check --clock virtual --json >"$work/$run" ||
            fail "virtual time, $options: exit status $?"
    done
    cmp "$work/a" "$work/b" || fail "another result the second time: $options"
    cp "$work/a" "$work/out"
    holds "$sound" "virtual time" "$options"
done

exit $failed
