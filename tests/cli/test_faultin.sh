#!/bin/sh
# bench/faultin as its users see it: what it counts, what it refuses with which message,
# and what --config, --vary, --trace and Ctrl-C do.
. "$TDPSIM_SOURCE/tests/cli/lib.sh"
driver=faultin

accounts='.stats.pf_taken == .stats.pf_fixed + .stats.pf_spurious + .stats.pf_emulate
    + .stats.retries + .stats.errors and .phases[0].faults == .stats.pf_taken
    and .stats.tlb_hits + .stats.tlb_misses == .stats.accesses + .stats.exits'

# Help and version are not errors and go to standard output.
expect 0 --help
grep -q -- '--vcpus=N' "$work/out" || fail "--help does not list --vcpus"
grep -q -- '--zap-flush-first' "$work/out" || fail "--help does not list the policies"
expect 0 --usage
expect 0 --version
grep -qE '^faultin \(libtdpsim\) [0-9]+\.[0-9]+\.[0-9]+$' "$work/out" || fail "--version"

# An invalid option is refused in a sentence that names it.
refuses "--vcpus '0': expected a number from 1 to 4096" -v 0
refuses "--vcpus '4097'" -v 4097
refuses "--vcpus '-1'" --vcpus=-1
refuses "--vcpus '1x'" -v 1x
refuses "--vcpus '18446744073709551617'" -v 18446744073709551617
refuses "--bytes '1'" -b 1
refuses "--bytes '1Q'" -b 1Q
refuses "--bytes '-4K'" --bytes=-4K
refuses "--bytes '99999999999G'" -b 99999999999G
refuses "--bytes 3M is not a multiple" -b 3M -s 2m
refuses "--bytes 4097" -b 4097
refuses "48 bits of address" -b 256T
refuses "48 bits of address" -v 4096 -b 1T
refuses "faultin: " -b 4095T --levels 5
refuses "--guest-memory 1G is less than the 2G" -v 2 --guest-memory 1G
refuses "--slots 5 is more than" -b 16K -x 5
refuses "--ad off: NPT always has" -b 16K --ad off
refuses "only where EPT keeps them" -b 16K --format ept --ad off --track dbit

# Without accessed flags a fault on an entry without rights may be a fast page fault.
for ad in on:0 off:4; do
    expect 0 -b 16K --format ept --ad "${ad%:*}" --trace "$work/trace" --json
    holds ".config.ad == \"${ad%:*}\" and .phases[0].pf_fixed == 4" "--ad ${ad%:*}"
    [ "$(grep -c ': fast_page_fault:' "$work/trace")" = "${ad#*:}" ] || fail "--ad ${ad%:*}"
done
refuses "--slots '513'" -x 513
refuses "--backing '16kb': expected 4k, 2m, 1g" -s 16kb
refuses "--levels '3': expected a number from 4 to 5" --levels 3
refuses "--format 'x'" --format x
refuses "--order 'x'" --order x
refuses "--lock 'x': expected exclusive, shared or percpu" --lock x
refuses "--suppress-ve 'maybe': expected on or off" --suppress-ve maybe
refuses "--baseline '4.4'" --baseline 4.4
refuses "--write-percent '101'" -w 101
refuses "--iterations '0'" -i 0
refuses "--pin '0-'" -c 0-
refuses "--pin" -b 4K -c 60000
refuses "--machine" --machine epyc
refuses "unrecognized option" --frobnicate
refuses "'more' is not an option" more
refuses "expected NAME=A,B" --vary lock
refuses "unknown option 'json'" --vary json=true,false
refuses "give two or more values" --vary lock=shared
refuses "--lock 'spin'" --vary lock=shared,spin
refuses "may be given once" --vary lock=shared,percpu --vary stats=shared,percpu
refuses "--trace" -b 4K --trace "$work/no/such/folder"
refuses "--vary clock" -b 4K --vary clock=real,virtual

# Each page is faulted in once and mapped by one leaf of its size, in every combination.
for format in ept npt; do
    for levels in 4 5; do
        for backing in 4k:4M:1024 2m:32M:16 1g:4G:4; do
            page=${backing%%:*} bytes=${backing#*:}
            pages=${bytes#*:} bytes=${bytes%:*}
            for order in seq random; do
                for lock in exclusive shared percpu; do
                    expect 0 --vcpus 4 --bytes "$bytes" --backing "$page" --format $format \
                        --levels $levels --order $order --lock $lock --check --json
                    holds "$accounts and .stats.pf_fixed == 4 * $pages
                        and .stats.pages_$page == 4 * $pages
                        and .stats.pages_4k + .stats.pages_2m + .stats.pages_1g == 4 * $pages
                        and .phases[0].accesses == 4 * $pages
                        and .stats.errors == 0 and .check.violations == 0" \
                        $format $levels $page $order $lock
                done
            done
        done
    done
done

# Shared memory: several vCPUs may fault on a page, one fixes it.
for stats in shared percpu; do
    for page in 4k:8M:2048 2m:256M:128; do
        expect 0 -v 8 -b "$(echo $page | cut -d: -f2)" -s ${page%%:*} --overlap --order random \
            --stats $stats --check --json
        holds "$accounts and .stats.pf_fixed == ${page##*:} and .check.violations == 0
            and .stats.pages_${page%%:*} == ${page##*:}
            and .phases[0].accesses == 8 * ${page##*:}" overlap $page
    done
done

# Reading, slots, spare memory, page-by-page backing, baselines, names of the selftests.
for options in "-w 0" "-w 30" "-x 7" "--guest-memory 1G" "--allocate pages" "--baseline 6.1" \
    "--baseline 6.12" "--pin 0" "--backing anonymous" "--iterations 3"; do
    # shellcheck disable=SC2086  # a list of words
    expect 0 -v 2 -b 4M $options --check --json
    holds "$accounts and .stats.pf_fixed == 2048 and .stats.pages_4k == 2048
        and .check.violations == 0" "$options"
done
for pages in 1 3 1000; do # no power of two: the permutation must still meet each once
    expect 0 -v 2 -b $((pages * 4))K --order random --json
    holds ".stats.pf_fixed == 2 * $pages" "$pages pages in random order"
done
expect 0 -b 2G -s anonymous_hugetlb_1gb --json
holds '.config.backing == "1g" and .stats.pages_1g == 2' selftest name

# The object has all documented members, and the requested iterations.
expect 0 -b 1M -i 5 --json
holds '.tool == "faultin" and .clock == "real" and (.machine | type) == "string"
    and (.version | type) == "string" and .seed == 1 and (.iteration_seconds | length) == 5
    and .phases[0].name == "fault-in" and .phases[0].bytes == 1048576
    and .phases[0].seconds == (.iteration_seconds | sort | .[2])
    and .phases[0].gib_per_second > 0 and .phases[0].faults_per_second > 0
    and .memory.table_bytes > 0 and .memory.metadata_bytes > 0
    and (.memory.rss_bytes | type) == "number" and .check.violations == null' result
[ ! -s "$work/err" ] || fail "something on standard error of a good run"

# The counters of the phase, and its stalls: one for each access that faulted, in buckets
# that add up. Nothing is timed with --no-stalls.
stalls='.phases[0].stall | .count == ([.histogram[].count] | add)
    and .p50_ns <= .p99_ns and .p99_ns <= .max_ns and .max_ns <= .total_ns
    and .histogram == (.histogram | sort_by(.le_ns)) and .max_ns <= .histogram[-1].le_ns
    and all(.histogram[]; .count > 0)'
for options in "" "--overlap --order random" "-s 2m -b 64M"; do
    # shellcheck disable=SC2086  # a list of words
    expect 0 -v 3 -b 4M $options --json
    holds "$stalls" "stalls of $options"
    holds '.phases[0] | .stall.count <= .accesses and .stall.count <= .faults
        and .pf_taken == .faults' counters
    holds '.phases[0].pf_fixed == .stats.pf_fixed and .phases[0].retries == .stats.retries
        and .phases[0].pages_4k == .stats.pages_4k' "counters of the one phase"
done
expect 0 -v 3 -b 4M --json
holds '.phases[0].stall.count == 3072' "a stall for each page"
for option in --no-stalls "--handler --no-limits"; do
    # shellcheck disable=SC2086
    expect 0 -b 1M $option --json
    holds 'all(.phases[]; .stall == null)' "$option"
done
holds '[.phases[].pf_fixed] == [256, 256]' "counters of both passes"
expect 0 -b 1M
grep -qE '^  stalled 256 of 256 accesses: p50 .*, p99 .*, most .*, all ' "$work/out" ||
    fail "no stalls in the table"

# Two names of one policy.
expect 0 -b 64K --on-fault zap --json
holds '.config["huge-fault"] == "zap" and (.config | has("on-fault") | not)' --on-fault
refuses "unrecognized option" --selftest-format

# The config of a result repeats the run; the command line overrides it.
expect 0 -v 3 -b 2M -s 2m --format ept --levels 5 --order random -x 2 -w 50 -c 0 --seed 77 \
    --baseline 6.12 --lock percpu --stats percpu -i 2 --check --json
jq .config "$work/out" >"$work/config"
cp "$work/out" "$work/result"
for file in config result; do
    expect 0 --config "$work/$file" --json
    jq .config "$work/out" | cmp -s - "$work/config" || fail "--config $file changes the config"
done
"$bench/faultin" --config - --json <"$work/config" | jq .config | cmp -s - "$work/config" ||
    fail "--config from standard input changes the config"
expect 0 -v 1 --config "$work/config" --baseline 6.1 --json
holds '.config.vcpus == 1 and .config.order == "random" and .config.baseline == "6.1"
    and .config["huge-fault"] == "zap" and .config.lock == "shared"' overruling
expect 0 -v 2 -b 1M --baseline latest --json
jq .config "$work/out" >"$work/latest"
for bad in '{"vcpus": 0}' '{"vcpus": 1.5}' '{"frob": 1}' '{"vcpus": ' '[1]' '{"runs": []}' \
    '{"vcpus": 1, "vcpus": 2}' '{"config": 3}'; do
    echo "$bad" >"$work/bad"
    refuses "--config $work/bad" --config "$work/bad"
done
refuses "--config $work/none" --config "$work/none"

# Runs take turns, and the report has ratios to the first.
expect 0 -v 2 -b 1M -i 3 --vary lock=shared,percpu,exclusive --json
holds '.vary == "lock" and (.runs | length) == 3 and .runs[0].ratio == 1
    and ([.runs[].value] == ["shared", "percpu", "exclusive"])
    and ([.runs[].config.lock] == ["shared", "percpu", "exclusive"])
    and all(.runs[]; .ratio > 0 and .phases[0].ratio == .ratio and .stats.pf_fixed == 512 and (.iteration_seconds | length) == 3)' \
    vary
expect 0 --config "$work/latest" --vary baseline=6.1,latest --json
holds '[.runs[].config["huge-fault"]] == ["zap", "split"]' "a varied baseline"
expect 0 -v 2 -b 1M --vary bytes=1M,2M
grep -qE '^1M fault-in .* 1\.000$' "$work/out" || fail "no table line for the first run"
expect 0 -b 64K --vary bytes=64K,128K --json
cp "$work/out" "$work/runs"
refuses "holds several runs" --config "$work/runs"

# A table without --json, without colours if it is not printed to a terminal.
expect 0 -b 1M --check
grep -qE '^fault-in +[0-9.]+ +256 +256 ' "$work/out" || fail "no table"
grep -qE 'check +0 violations' "$work/out" || fail "no verdict in the table"
! grep -q "$(printf '\033')" "$work/out" || fail "escape codes in a file"

# Every event as ftrace text; those of each vCPU in order.
expect 0 -v 2 -b 64K --trace "$work/trace" --json
[ "$(grep -cE '^ +vcpu-[01] +\[00[01]\] +[0-9]+: kvm_page_fault: vcpu [01] rip 0x' \
    "$work/trace")" = "$(jq .stats.pf_taken "$work/out")" ] || fail "not every fault in the trace"
[ "$(grep -cE ': kvm_mmu_set_spte: gfn 1000[0-9a-f]+ spte [0-9a-f]+ \(rwxu\) level 1 at' \
    "$work/trace")" = 32 ] || fail "not 32 entries set in the trace"
sort -c -k3,3n <<LIST || fail "vCPU 0's events are out of order"
$(grep 'vcpu-0 ' "$work/trace" | sed 's/\[000\]/x/')
LIST

# Ctrl-C: valid JSON with what was measured, and status 130.
status=0
timeout --preserve-status -s INT 1 "$bench/faultin" -v 4 -b 8M -i 10000 --json >"$work/out" || status=$?
[ $status = 130 ] || fail "exit status $status after Ctrl-C"
holds ".interrupted and $accounts and .phases[0].accesses > 0" interrupted

# Large guests on a small machine. A host of that size does not fit under TSan.
case ${TDPSIM_SANITIZE:-} in
*thread*)
    refuses "faultin: " -v 16 -b 64G -s 1g
    ;;
*)
    expect 0 -v 416 -b 30G -s 1g --json
    holds '.stats.pages_1g == 12480 and .config.slots == 4' "12 TiB at 1G"
    expect 0 -v 16 -b 64G -s 2m --json
    holds '.stats.pages_2m == 524288' "1 TiB at 2M"
    ;;
esac

exit $failed
