#!/bin/sh
# bench/age as its users see it: which pages are found idle, how many faults their next
# accesses take with and without accessed flags, and the report of the kernel's selftest.
#
# The expected numbers, from the rules of ageing (it removes A or, without A flags, all
# rights, and flushes no TLB) and a TLB of 512 pages:
#   flags      no fault after populate
#   no flags   one fast fault for each leaf that is not in the TLB
# A vCPU that accesses more pages than that in ascending order always misses.
. "$TDPSIM_SOURCE/tests/cli/lib.sh"
driver=age

whole='[.phases[].name] == ["populate", "write-populated", "read-populated", "mark-idle-1",
        "write-idle", "mark-idle-2", "read-idle"]
    and .check.violations == 0 and .check.failed == 0 and .stats.errors == 0
    and all(.phases[1:][]; .remote_tlb_flush == 0 and .pf_taken == .pf_fast)
    and all(.phases[1:4][]; .pf_taken == 0) and .phases[5].pf_taken == 0'
idle='[.phases[3, 5].pages_still_idle]'
fast='[.phases[4, 6].pf_fast]'

# OPTIONS: leaves of all vCPUs, and 4K pages.
for baseline in 6.1 6.12 latest; do
    for kind in "-v 3 -b 4M:3072:3072" "-v 2 -b 8M -s 2m:8:4096" "-b 1G -s 1g:1:262144" \
        "-v 2 -b 3M --order random:1536:1536" "-b 8M --levels 5 -x 3:2048:2048"; do
        case $baseline${TDPSIM_SANITIZE:-} in # a million accesses are many for a sanitizer
        latest) ;;
        *) [ "$kind" != "-b 1G -s 1g:1:262144" ] || continue ;;
        esac
        options="--format ept --baseline $baseline ${kind%%:*}"
        leaves=${kind#*:} pages=${kind##*:}
        leaves=${leaves%:*}
        # shellcheck disable=SC2086  # a list of words
        expect 0 $options --check --json
        holds "$whole and $idle == [0, 0] and $fast == [0, 0]
            and [.phases[].accesses] == [$pages, $pages, $pages, 0, $pages, 0, $pages]
            and [.phases[3, 5].pages_marked] == [$leaves, $leaves]" "$options"
        # shellcheck disable=SC2086
        expect 0 $options --ad off --check --json
        holds "$whole and $idle == [0, 0] and $fast == [$leaves, $leaves]
            and [.phases[4, 6].stall.count] == [$leaves, $leaves]" "$options --ad off"
    done
done
expect 0 -v 2 -b 4M --format npt --lockless-age off --check --json
holds "$whole and $idle == [0, 0] and $fast == [0, 0]" "npt"

# All pages are in the TLB, so their use does not show.
for ad in on off; do
    expect 0 -v 2 -b 1M --format ept --ad $ad --check --json
    holds "$whole and $idle == [0, 512] and $fast == [0, 0]" "1M, --ad $ad"
    grep -qF '512 of 512 pages are still idle' "$work/err" || fail "1M: no warning"
done

# Shared memory: the first vCPU that marks a page finds it young; concurrent ones may.
expect 0 -v 4 -b 4M -o --format ept --ad off --check --json
holds "$whole and all(.phases[3, 5]; .pages_still_idle <= 3072)
    and all(.phases[4, 6]; .pf_fast >= 1024)" "overlap"
[ ! -s "$work/err" ] || fail "overlap: $(cat "$work/err")"

# Events: one call of the notifier for each page, both times.
expect 0 -b 4M --trace "$work/trace" --json
[ "$(grep -c ': kvm_age_hva:' "$work/trace")" = 2048 ] || fail "events"

expect 2 -b 5M -s 2m
grep -qF "is not a multiple of the backing page, 2M" "$work/err" || fail "-b 5M"

# Only the report of the selftest.
expect 0 -v 2 -b 8M -s anonymous_thp --seed 18 --selftest-format
cat >"$work/wanted" <<'END'
Random seed: 0x12
Testing guest mode: PA-bits:ANY, VA-bits:48,  4K pages
guest physical test memory: [0x100000000, 0x101000000)
Populating memory             : T
Writing to populated memory   : T
Reading from populated memory : T
Mark memory idle              : T
Writing to idle memory        : T
Mark memory idle              : T
Reading from idle memory      : T
END
sed -E 's/[0-9]+\.[0-9]{9}s$/T/' "$work/out" | cmp - "$work/wanted" || fail "--selftest-format"
expect 2 --selftest-format --json

# Simulated time: one seed gives one result. Each aged page costs the guest an exit, and
# vCPUs that mark under the exclusive lock wait for each other.
for run in a b; do
    "$bench/age" -v 4 -b 4M --format ept --clock virtual --vary ad=on,off --json \
        >"$work/$run" || fail "virtual time: exit status $?"
done
cmp "$work/a" "$work/b" || fail "another result the second time"
cp "$work/a" "$work/out"
holds '[.runs[].phases[4].pf_fast] == [0, 4096]
    and .runs[1].phases[4].seconds > 2 * .runs[0].phases[4].seconds' "virtual time, flags"
expect 0 -v 4 -b 4M --clock virtual --vary lockless-age=on,off --json
holds '.runs[1].phases[3].seconds > 2 * .runs[0].phases[3].seconds' "virtual time, lock"

exit $failed
