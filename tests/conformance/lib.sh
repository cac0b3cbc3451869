# Shared by the tests of bench/replay: where things are, and how a run is judged.
set -u
replay="${TDPSIM_BENCH:?run by ctest}/replay"
traces="${TDPSIM_SOURCE:?run by ctest}/tests/conformance/traces"
[ -x "$replay" ] || { echo "bench/replay is not built"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
	echo "FAIL: $*"
	failures=$((failures + 1))
}

# plain SET/NAME FILE: the trace's text in FILE.
plain() {
	xz -dc "$traces/$1.txt.xz" >"$2"
}
