#!/bin/sh
# bench/replay's command line: what it takes, what it refuses with which sentence
# and status, and that --json prints one object and nothing else.
. "$TDPSIM_SOURCE/tests/conformance/lib.sh"

# expect STATUS SENTENCE ARGUMENT...: SENTENCE is a regular expression.
expect() {
	status=$1 sentence=$2
	shift 2
	"$replay" "$@" >"$work/out" 2>&1 </dev/null
	got=$?
	if [ "$got" -ne "$status" ] || ! grep -q -- "$sentence" "$work/out"; then
		fail "replay $*: status $got, wanted $status and '$sentence'"
		cat "$work/out"
	fi
}

small=$traces/6.12.117/mmio.txt.xz
dat=$traces/trace.dat/4k_seq.dat
plain 6.12.117/mmio "$work/mmio.txt"

expect 0 'Usage: .*FILE' --help
expect 0 'tdpsim' --version
expect 2 'which trace' # none given
expect 2 'no value' --levels 6 "$small"
expect 2 'no value' --baseline 5.4 "$small"
expect 2 'no value' --format svm "$small"
expect 2 'unrecognized option' --no-such-option "$small"

# A trace's own header wins; an option may repeat it, and may not contradict it.
expect 0 'agrees' --baseline 6.12 --format npt --levels 4 --nx-huge-pages off "$small"
expect 2 'says baseline 6.12, which contradicts --baseline 6.1' --baseline 6.1 "$small"
expect 2 'says format npt, which contradicts' --format ept "$small"
expect 2 'says levels 4, which contradicts' --levels 5 "$small"
expect 2 'contradicts --mmio-caching off' --mmio-caching off "$small"

# The header's kernel chooses the baseline; for a kernel without one the next older baseline
# is assumed, and the report says so.
# kernel VERSION: mmio.txt as if that kernel had printed it.
kernel() {
	sed "s/^# kernel 6\.12[^ ]*/# kernel $1/" "$work/mmio.txt" >"$work/kernel.txt"
	grep -q "^# kernel $1" "$work/kernel.txt" || fail "no kernel line in mmio.txt"
}
kernel 6.12.9-generic
expect 0 'agrees' "$work/kernel.txt"
kernel 7.1.3
expect 2 'says baseline 6.18, which contradicts --baseline 7.2' --baseline 7.2 "$work/kernel.txt"
kernel 6.19.0
expect 2 'says baseline 6.18, which contradicts' --baseline 6.12 "$work/kernel.txt"
kernel 7.3.4+deb13-amd64
expect 2 'says baseline 7.2, which contradicts' --baseline 6.12 "$work/kernel.txt"
kernel 5.14.21
expect 2 'says baseline 5.14, which contradicts' --baseline 6.12 "$work/kernel.txt"
kernel 6.15.2
expect 0 'assumed: baseline 6.12 (for kernel 6.15)' "$work/kernel.txt"
expect 0 'agrees' --baseline 6.12 "$work/kernel.txt"
kernel 5.4.0
expect 1 'assumed: baseline 5.13 (for kernel 5.4)' "$work/kernel.txt"
kernel 7.9.1
expect 1 'assumed: baseline 7.2 (for kernel 7.9)' "$work/kernel.txt"

# What neither the trace nor an option says is assumed, and the report says so.
expect 0 'assumed: format npt' --baseline 6.12 "$dat"
grep -v '^#' "$work/mmio.txt" >"$work/foreign.txt"
expect 0 'assumed: .*eager-split on' --baseline 6.12 --format npt "$work/foreign.txt"
expect 1 'line [0-9]*: ' --baseline latest --format npt "$work/foreign.txt"

# Plain, packed and standard input are the same trace.
expect 0 'agrees' "$work/mmio.txt"
"$replay" - <"$small" | grep -q '^-: agrees' || fail "standard input is not read"
"$replay" --baseline 6.12 - <"$dat" | grep -q '^-: agrees' || fail "trace.dat on standard input"
# Several traces: the gravest outcome is the status.
expect 3 'needs pre-fault' "$small" "$traces/6.12.117/prefault.txt.xz"
expect 2 'nowhere' "$small" "$work/nowhere" "$traces/6.12.117/prefault.txt.xz"

# Broken files are refused by file and line.
expect 2 "$work/nowhere: No such file" "$work/nowhere"
head -c 20000 "$work/mmio.txt" >"$work/cut.txt"
expect 2 "$work/cut.txt: line [0-9]*: the trace breaks off in this line" "$work/cut.txt"
head -n 100 "$work/mmio.txt" >"$work/cut.txt"
expect 2 "$work/cut.txt: line 100: the trace breaks off after this line" "$work/cut.txt"
head -c 2000 "$small" >"$work/cut.xz"
expect 2 "$work/cut.xz: line [0-9]*: the xz data is truncated" "$work/cut.xz"
{ head -c 2000 "$small"; tail -c 2000 "$dat"; } >"$work/damaged.xz"
expect 2 "$work/damaged.xz: line [0-9]*: the xz data is damaged" "$work/damaged.xz"
head -c 15000 "$dat" >"$work/cut.dat"
expect 2 "$work/cut.dat: record [0-9]*: " "$work/cut.dat"
grep -n 'kvm_page_fault' "$work/mmio.txt" | sed -n '1s/:.*//p' >"$work/line"
sed "$(cat "$work/line")s/error_code 0x[0-9a-f]*/error_code none/" "$work/mmio.txt" >"$work/bad.txt"
expect 2 "bad.txt: line $(cat "$work/line"): the fields of this event" "$work/bad.txt"
sed 's/level 4 old_spte/level 6 old_spte/' "$work/mmio.txt" >"$work/bad.txt"
expect 2 'bad.txt: line [0-9]*: the fields of this event' "$work/bad.txt"
sed '30s/.*/not a trace/' "$work/mmio.txt" >"$work/bad.txt"
expect 2 'bad.txt: line 30: this is not a line of a trace' "$work/bad.txt"
sed '30s/.*/CPU:0 [LOST 12 EVENTS]/' "$work/mmio.txt" >"$work/bad.txt"
expect 2 'bad.txt: line 30: events were lost' "$work/bad.txt"
: >"$work/empty"
expect 2 'empty: line 0: there is no event' "$work/empty"
grep -v ' P: \|^#' "$work/mmio.txt" >"$work/silent.txt"
expect 2 'nothing to drive' "$work/silent.txt"

# Beyond a limit a file is refused in a sentence, and costs little memory: 300 MB of text
# packed into 45 kB, xz data that needs a dictionary of 1 GiB, more events than are kept, and
# trace.dat files with one wrong bit, with which trace-cmd's library asks for gigabytes,
# loops or crashes.
# bounded FILE...: replay in an address space of 2 GiB; a sanitizer's build needs more.
bounded() {
	if [ -z "${TDPSIM_SANITIZE:-}" ]; then
		(ulimit -v 2097152 && "$replay" "$@")
	else
		"$replay" "$@"
	fi
}
head -c 300000000 /dev/zero | xz -0 >"$work/bomb.xz"
bounded "$work/bomb.xz" >"$work/out" 2>&1
[ $? -eq 2 ] && grep -q 'bomb.xz: the file unpacks to more than 256 MiB, the limit' "$work/out" ||
	{ fail "a file that unpacks to 300 MB"; cat "$work/out"; }
# The dictionary's size stands in the header, so it need not be used.
head -c 100 /dev/zero | xz --lzma2=dict=1GiB >"$work/memory.xz"
expect 2 'memory.xz: to unpack the file takes more than 128 MiB, the limit' "$work/memory.xz"
yes 'x-1 [000] 1: zap_sp: (x)' | head -n 2000001 >"$work/many.txt"
bounded "$work/many.txt" >"$work/out" 2>&1
[ $? -eq 2 ] && grep -q 'many.txt: the trace has more than 2000000 events, the limit' "$work/out" ||
	{ fail "a trace of 2000001 events"; cat "$work/out"; }
# flip OFFSET MASK: the bits of MASK in one byte of the trace.dat.
flip() {
	byte=$(od -An -tu1 -j "$1" -N1 "$dat")
	{
		head -c "$1" "$dat"
		# shellcheck disable=SC2059  # an octal escape
		printf "\\$(printf %o $((byte ^ $2)))"
		tail -c +$(($1 + 2)) "$dat"
	} >"$work/flipped.dat"
}
for bit in '20632 1' '20646 128' '20647 8' '1944 1'; do
	# shellcheck disable=SC2086  # two words
	flip $bit
	timeout 20 "$replay" "$work/flipped.dat" >"$work/out" 2>&1
	[ $? -eq 2 ] && grep -q 'flipped.dat: record [0-9]*: ' "$work/out" ||
		{ fail "trace.dat with bit $bit wrong"; cat "$work/out"; }
done

# A trace of what cannot have happened is not followed any further than that line.
# before EVENT: mmio.txt with another event before its VM is made.
before() {
	sed "/PHASE create vm/i x-1 [000] 1: $1" "$work/mmio.txt" >"$work/early.txt"
}
before 'tracing_mark_write: P: PHASE 4 vcpus in parallel'
expect 1 'line [0-9]*: the trace has no VM at this line' "$work/early.txt"
before 'tracing_mark_write: P: PHASE create vm type=0 vcpus=1'
expect 1 'line [0-9]*: one VM with at most' "$work/early.txt"
sed '/P: END/i x-1 [000] 1: tracing_mark_write: P: PHASE create vm type=0 vcpus=1' \
	"$work/mmio.txt" >"$work/late.txt"
expect 1 'line [0-9]*: one VM with at most' "$work/late.txt"

# One object, on standard output alone.
"$replay" --json "$small" "$traces/6.12.117/prefault.txt.xz" >"$work/json" 2>"$work/complaints"
[ $? -eq 3 ] || fail "--json changes the status"
jq -es 'length == 1 and .[0].tool == "replay" and (.[0].traces | length) == 2
	and .[0].traces[0].verdict == "agrees" and .[0].traces[0].lines_compared > 80
	and .[0].traces[1].needs == "pre-fault" and .[0].traces[1].stop_line == 34' \
	"$work/json" >/dev/null || { fail "--json"; cat "$work/json"; }
[ -s "$work/complaints" ] && fail "--json complains where there is nothing to complain about"
exit $((failures > 0))
