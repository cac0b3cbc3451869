#!/bin/sh
# bulk, passes over all entries of a guest: the shape of its results, its checks, and what
# it refuses. A test cannot know whether a time is right; it checks that it is above zero.
. "$TDPSIM_SOURCE/tests/cli/lib.sh"
driver=bulk

phases='["split", "clear", "recover", "protect", "fast", "get", "age", "populate", "write"]'
# shellcheck disable=SC2016  # filters of jq have variables of their own
shape='.tool == "bulk" and .limits == null and .check.violations == 0 and .check.failed == 0
    and .stats.pf_taken == ([.phases[].faults] | add) and .stats.pages_4k == $pages
    and ([.phases[] | {(.name): .}] | add | .split.pages_4k == $pages and .recover.pages_4k == 0
        and .populate.faults >= $pages
        and .write.accesses == $pages * $touches * $passes)
    and all(.phases[] | select(.name != "populate" and .name != "write");
        (.cpu_ns_per_page // .cpu_ns_per_fault) > 0 and .limit_ratio == null)'
# shellcheck disable=SC2016
fast='([.phases[] | select(.name == "fast")][0] | .pf_fast == $pages * $passes
    and .pf_fast == .pf_fixed and .faults == .pf_fast)'

# measured PAGES PASSES OPTIONS...: in real and virtual time, with two slots.
measured() {
    numbers="$1 as \$pages | $2 as \$passes"
    passes=$2
    shift 2
    for clock in real virtual; do
        expect 0 -x 2 -i "$passes" "$@" --clock $clock --no-limits --check --json
        case " $* " in
        *" dbit "*)
            holds "$numbers | 2 as \$touches | $shape
                and [.phases[].name] == ($phases - [\"fast\"])" "$* $clock"
            ;;
        *)
            holds "$numbers | 1 as \$touches | $shape and $fast
                and [.phases[].name] == $phases" "$* $clock"
            ;;
        esac
        [ ! -s "$work/err" ] || fail "$*: something on standard error of a good run"
    done
}

for options in "" "--format ept --track wrprot" "--format ept --track dbit" "--lock percpu" \
    "--lock exclusive" "--baseline 6.12" "--lockless-age off" "--order random"; do
    # shellcheck disable=SC2086  # lists of words
    measured 3072 2 -v 3 -b 4M $options
done
measured 524288 1 -b 2G -s 1g

# The ratios to the limits of the machine, measured in the same run.
expect 0 -b 8M -i 3 --json
# shellcheck disable=SC2016
holds '.limits as $limits | [.phases[] | select(.limit)] | length == 7
    and all(.[]; .limit_ratio * $limits[.limit] / (.cpu_ns_per_page // .cpu_ns_per_fault) - 1
        | fabs < 1e-6)' "limits"
holds '[.phases[].limit] == ["seq_plain_store", "seq_exchange", "seq_exchange", "seq_exchange",
    "realistic_seq", "seq_exchange", "seq_exchange", null, null]' "limits of each pass"

# A result's config repeats the run.
expect 0 -b 4M -i 2 --no-limits --json
jq .config "$work/out" >"$work/config"
expect 0 --config "$work/config" --json
jq .config "$work/out" | cmp -s - "$work/config" || fail "--config changes the config"

refuses "there is nothing to split" -s 4k
refuses "without splits" --eager-split off
refuses "vCPUs cannot share pages" -v 2 --overlap
refuses "--passes '0': expected a number from 1 to 100" --passes 0
refuses "--bytes 3M is not a multiple" -b 3M

# Ctrl-C: valid JSON with what was measured, and status 130.
status=0
timeout --preserve-status -s INT 1 "$bench/bulk" -b 256M -i 100 --no-limits --json \
    >"$work/out" || status=$?
[ $status = 130 ] || fail "interrupted: exit status $status instead of 130"
holds '.tool == "bulk"' "interrupted"

exit $failed
