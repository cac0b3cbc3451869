#!/bin/sh
# The drivers that time parts of the library alone, faultin --handler, teardown and lookup:
# the shape of their results, their checks, and what they refuse. A test cannot know whether
# a time is right; it checks that it is above zero.
. "$TDPSIM_SOURCE/tests/cli/lib.sh"

# What is timed, how often each page is faulted in, and what is measured for a page.
handler='.tool == "faultin" and [.phases[].name] == ["handler", "warm-up"]
    and .stats.pf_fixed == 2 * $pages and .phases[0].accesses == $touched
    and all(.phases[]; .cpu_ns_per_fault > 0 and .limit == $fault)'
teardown='.tool == "teardown" and [.phases[].name] == ["range", "fast", "destroy", "populate"]
    and .stats.pf_fixed == 3 * $pages and .phases[3].cpu_ns_per_fault > 0
    and all(.phases[:3][]; .accesses == $pages and .faults == 0 and .cpu_ns_per_page > 0
        and .limit == "seq_exchange")'
lookup='.tool == "lookup" and [.phases[].name] == ["single", "batch", "populate"]
    and .stats.pf_fixed == $pages
    and all(.phases[:2][]; .accesses == $touched and .faults == 0 and .cpu_ns_per_lookup > 0
        and .limit == "seq_walk")'
common='.stats.pf_taken == ([.phases[].faults] | add)
    and .stats.pages_4k + .stats.pages_2m + .stats.pages_1g == $pages
    and .check.violations == 0 and .check.failed == 0 and .memory.table_bytes > 0'

# measured DRIVER FILTER PAGES TOUCHED OPTIONS...: in real and virtual time.
measured() {
    tool=$1 shape=$2 pages=$3 touched=$4
    shift 4
    fault=realistic_seq
    case " $* " in *" random "*) fault=realistic_random ;; esac
    numbers="$pages as \$pages | $touched as \$touched | \"$fault\" as \$fault"
    for clock in real virtual; do
        expect 0 "$tool" "$@" --clock $clock --no-limits --check --json
        holds "$numbers | $shape and $common and .clock == \"$clock\"
            and .limits == null and all(.phases[]; .limit_ratio == null)" "$tool $* $clock"
        [ ! -s "$work/err" ] || fail "$tool $*: something on standard error of a good run"
    done
}

for options in "" "--format ept" "--levels 5" "--order random" "--lock percpu --stats percpu" \
    "--lock exclusive" "-w 0" "--baseline 6.1"; do
    # shellcheck disable=SC2086  # lists of words
    {
        measured faultin "$handler" 3072 3072 --handler -v 3 -b 4M $options
        measured teardown "$teardown" 3072 3072 -v 3 -b 4M $options
        measured lookup "$lookup" 3072 3072 -v 3 -b 4M $options
    }
done
for page in 2m:64M:96 1g:2G:6; do
    guest="-v 3 -b $(echo $page | cut -d: -f2) -s ${page%%:*}"
    # shellcheck disable=SC2086
    {
        measured faultin "$handler" ${page##*:} ${page##*:} --handler $guest
        measured teardown "$teardown" ${page##*:} ${page##*:} $guest
        measured lookup "$lookup" ${page##*:} ${page##*:} $guest
    }
done
# Several vCPUs at one page: one fixes it. Odd sizes, and batches that do not divide them.
measured faultin "$handler" 512 2048 --handler -v 4 -b 2M --overlap
measured teardown "$teardown" 512 2048 -v 4 -b 2M --overlap
measured lookup "$lookup" 512 2048 -v 4 -b 2M --overlap
for batch in 1 7 4096; do
    measured lookup "$lookup" 1000 1000 -b 4000K --order random --batch $batch
    holds ".config.batch == $batch" "batch $batch"
done

# Memory of a page: in real time only.
expect 0 faultin -b 64M --json
holds '.memory.rss_bytes_per_page == .memory.rss_bytes / 16384 and .limits == null
    and (.phases[0] | has("cpu_ns_per_fault") | not)' "memory of a page"
expect 0 faultin -b 1M --clock virtual --json
holds '.memory.rss_bytes_per_page == null' "memory of a page in virtual time"

# The limits of the machine in the same run, and the ratios of the figures to them.
# pingpong needs two CPUs.
six='(.limits | del(.pingpong) | [.[]] | length == 5 and all(. > 0)) and (.limits | has("pingpong"))'
expect 0 faultin --handler -b 4M --vary lock=shared,percpu --json
holds "$six and (.limits.realistic_seq as \$limit | all(.runs[].phases[];
    .limit_ratio * \$limit / .cpu_ns_per_fault - 1 | fabs < 1e-6))" "limits of two runs"
expect 0 teardown -b 4M --json
holds "$six and (.limits.seq_exchange as \$limit | all(.phases[:3][];
    .limit_ratio * \$limit / .cpu_ns_per_page - 1 | fabs < 1e-6))" "limits of teardown"
expect 0 lookup -b 4M
grep -qE '^  cpu +[0-9.]+ ns a lookup, [0-9.]+ x seq_walk \([0-9.]+ ns\)$' "$work/out" ||
    fail "lookup: no ratio in the table"
grep -q '^limits: ' "$work/out" || fail "lookup: no limits below the table"
expect 0 teardown -b 4M --clock virtual --json # which has none
holds '.limits == null and .phases[0].limit_ratio == null' "limits in virtual time"

# The config of a result repeats the run.
expect 0 lookup -b 4M --batch 3 --no-limits --order random --json
jq .config "$work/out" >"$work/config"
expect 0 lookup --config "$work/config" --json
jq .config "$work/out" | cmp -s - "$work/config" || fail "--config changes the config"

# An invalid option is refused in a sentence that names it.
refuses "--handler takes faults of one kind" faultin --handler -w 50
refuses "--batch '0': expected a number from 1 to 4096" lookup --batch 0
refuses "--batch '4097'" lookup --batch 4097
refuses "--bytes 3M is not a multiple" teardown -b 3M -s 2m
refuses "unrecognized option" teardown --handler
refuses "unrecognized option" lookup --handler
for tool in teardown lookup; do
    expect 0 $tool --help
    grep -q -- '--no-limits' "$work/out" || fail "$tool --help does not list --no-limits"
    grep -q -- '--zap-flush-first' "$work/out" || fail "$tool --help does not list the policies"
    expect 0 $tool --version
    grep -qE "^$tool \(libtdpsim\) [0-9]+\.[0-9]+\.[0-9]+\$" "$work/out" ||
        fail "$tool --version"
done

# Ctrl-C: valid JSON with what was measured, and status 130.
for tool in "faultin --handler" teardown lookup; do
    status=0
    # shellcheck disable=SC2086
    timeout --preserve-status -s INT 1 "$bench"/$tool -v 2 -b 64M -i 10000 --no-limits --json \
        >"$work/out" || status=$?
    [ $status = 130 ] || fail "$tool: exit status $status after Ctrl-C"
    holds '.interrupted and (.phases | length) > 0 and .stats.pf_taken > 0' "$tool interrupted"
done

exit $failed
