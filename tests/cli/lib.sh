# shellcheck shell=sh disable=SC2034  # its variables are for those who source it
# Shared by the tests of the drivers. A test sources this file, and sets `driver` if it is
# about one; otherwise the name comes before the arguments. `definitions` go before each
# filter of holds(), and `shown` selects what it prints of a wrong result.
set -eu
LC_ALL=C
export LC_ALL
bench=${TDPSIM_BENCH:-build/debug/bench}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
driver=
definitions=
shown='{limits, phases: [.phases[]? | del(.stall)], stats, memory, check}'

fail() {
    echo "FAILED: $*"
    failed=1
}

# expect STATUS [DRIVER] ARGUMENTS...: checks the exit status; leaves the output in $work.
expect() {
    wanted=$1 program=$driver
    shift
    [ -n "$program" ] || {
        program=$1
        shift
    }
    status=0
    "$bench/$program" "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
    [ "$status" = "$wanted" ] || {
        fail "$program $*: exit status $status instead of $wanted"
        cat "$work/err"
    }
}

# holds FILTER WORDS...: checks that the filter of jq is true for the last output.
holds() {
    filter=$1
    shift
    jq -e "$definitions $filter" "$work/out" >/dev/null || {
        fail "$*: false: $filter"
        jq -c "$shown" "$work/out" || cat "$work/out"
    }
}

# refuses WORDS [DRIVER] ARGUMENTS...: expects status 2, no output, and WORDS as an error.
refuses() {
    words=$1
    shift
    expect 2 "$@"
    [ ! -s "$work/out" ] || fail "$*: printed a result"
    grep -qF -e "$words" "$work/err" || {
        fail "$*: no '$words' in its message:"
        cat "$work/err"
    }
}
