#!/bin/sh
# bench/limits as its users see it: which probes run, the shape of the result, and what is
# refused. A test cannot know whether a time is right; it checks that it is above zero and
# that the median is between the smallest and the largest.
. "$TDPSIM_SOURCE/tests/cli/lib.sh"
driver=limits

# Holds for every result, except for pingpong, which needs two CPUs.
six='["realistic_seq", "realistic_random", "seq_plain_store", "seq_exchange", "seq_walk",
    "pingpong"]'
shape='.tool == "limits" and .clock == "real" and (.machine | type) == "string"
    and (.version | type) == "string" and .memory.huge_bytes <= .memory.table_bytes
    and (.limits | keys) == ('$six' | sort) and (.interrupted | not)
    and all(.probes[]; .ns > 0 and .least <= .ns and .ns <= .most and (.what | length) > 0)
    and (.probes | map(.name) | length == (unique | length))'
cpus=$(nproc)

# Quick: only the six limits, for a guest of 16 GiB.
expect 0 --quick --runs 1 --json
holds "$shape"
holds '.config.quick and .config["guest-memory"] == 17179869184 and .config.tables == "2m"'
holds '.memory.table_bytes >= 33554432 and .memory.table_bytes < 34603008'
holds '[.limits | del(.pingpong)[] > 0] | all'
holds '[.probes[] | select(.name != "pingpong") | .name] | sort == ('"$six"' - ["pingpong"] | sort)'
holds '. as $all | all(.probes[]; .ns == $all.limits[.name])'
if [ "$cpus" -ge 2 ]; then
    holds '.limits.pingpong > 0'
    [ ! -s "$work/err" ] || fail "something on standard error of a good run"
fi

# One CPU: probes that need two are not measured, with a message.
expect 0 --help
if command -v taskset >/dev/null && taskset -c 0 true 2>/dev/null; then
    taskset -c 0 "$bench/limits" -p word --quick --runs 1 --guest-memory 2M --json \
        >"$work/out" 2>"$work/err" || fail "exit status $? on one CPU"
    holds '.limits.pingpong == null and .probes == []'
    grep -q "pingpong is not measured: it needs two CPUs" "$work/err" || fail "no message about pingpong"
fi

# Every probe of every part runs; few pages, because the times do not matter.
for tables in 2m 4k; do
    expect 0 --guest-memory 66M --tables $tables --runs 2 --json
    holds "$shape"
    holds '.config.tables == "'$tables'" and .config.runs == 2 and .config.part == null'
    holds '([.probes[].part] | unique) == ["entry", "fault", "pass", "table", "walk", "word"]
        or '"$cpus"' < 2'
    holds '[.probes[] | select(.name == "realistic_random") | .unit] == ["fault"]'
done
holds '.memory.huge_bytes == 0' # of the 4k run

# Single parts; limits that were not measured are null.
expect 0 -p walk,pass --guest-memory 8M -i 1 --json
holds "$shape"
holds '([.probes[].part] | unique) == ["pass", "walk"] and .limits.seq_walk > 0
    and ([.limits | del(.seq_walk)[]] | all(. == null)) and .config.part == "walk,pass"'

# A table without --json.
expect 0 -p walk --guest-memory 8M
grep -qE '^  seq_walk +[0-9]+\.[0-9]{2}  \([0-9.]+ - [0-9.]+\) ' "$work/out" || fail "no table"
grep -q 'median (least - most) of 9' "$work/out" || fail "the head does not tell the runs"

# Help and version are not errors; invalid options are refused in a sentence.
expect 0 --help
grep -q -- '--guest-memory=SIZE' "$work/out" || fail "--help does not list --guest-memory"
expect 0 --version
grep -qE '^limits \(libtdpsim\) [0-9]+\.[0-9]+\.[0-9]+$' "$work/out" || fail "--version"
refuses "--part 'x': expected entry, pass" -p entry,x
refuses "--part ''" -p ''
refuses "--guest-memory '3M'" --guest-memory 3M
refuses "--guest-memory '0'" --guest-memory 0
refuses "--guest-memory '2T'" --guest-memory 2T
refuses "--guest-memory 'x'" --guest-memory x
refuses "--tables '1g': expected 2m or 4k" --tables 1g
refuses "--runs '0'" -i 0
refuses "--runs '1001'" --runs 1001
refuses "--runs '-1'" --runs=-1
refuses "--pin '0,': expected a list of CPUs" --pin 0,
refuses "two threads need two CPUs" --pin 1
refuses "'more' is not an option" more
refuses "unrecognized option" --frobnicate
refuses "a CPU of --pin does not exist" -p word --guest-memory 2M --json -c 60000,60001

# Ctrl-C: valid JSON with what was measured, and status 130.
status=0
timeout --preserve-status -s INT 1 "$bench/limits" -p table --runs 1000 --json >"$work/out" || status=$?
[ $status = 130 ] || fail "exit status $status after Ctrl-C"
holds '.interrupted and (.probes | length) < 5'

exit $failed
