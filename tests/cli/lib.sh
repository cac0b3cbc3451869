# shellcheck shell=sh disable=SC2034  # its variables are for those who source it
# What the tests of the drivers share. A test sources this file and sets `driver`, if it
# is about one; if not, the name comes before the arguments. `definitions` go before each
# filter of holds(), `shown` is what it shows of a result that it finds wrong.
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

# expect STATUS [DRIVER] ARGUMENTS...: it ends so; its output is left in $work.
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

# holds FILTER WORDS...: jq finds it true of the last output.
holds() {
    filter=$1
    shift
    jq -e "$definitions $filter" "$work/out" >/dev/null || {
        fail "$*: not so: $filter"
        jq -c "$shown" "$work/out" || cat "$work/out"
    }
}

# refuses WORDS [DRIVER] ARGUMENTS...: nothing on standard output, WORDS on standard error.
refuses() {
    words=$1
    shift
    expect 2 "$@"
    [ ! -s "$work/out" ] || fail "$*: printed a result"
    grep -qF -e "$words" "$work/err" || {
        fail "$*: no '$words' in its complaint:"
        cat "$work/err"
    }
}
