# Shared by the tests of bench/replay: where things are, and how a run is judged.
set -u
replay="${TDPSIM_BENCH:?run by ctest}/replay"
conformance="${TDPSIM_SOURCE:?run by ctest}/tests/conformance"
traces=$conformance/traces
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
	case $1 in
	scenarios/*) synthesise "${1%@*}" "${1#*@}" >"$2" ;;
	*) xz -dc "$traces/$1.txt.xz" >"$2" ;;
	esac
}

# synthesise scenarios/NAME KERNEL-MACHINE: the trace that such a kernel would print. A
# machine is npt, ept, nopml (EPT) or noad (EPT).
synthesise() {
	grep -q '^# no eager split' "$conformance/$1" && eager=0 || eager=1
	synthesise_from "$conformance/$1" "$2"
}

# The same from any file.
synthesise_from() {
	format=ept ad=1 pml=0
	case ${2#*-} in
	npt) format=npt ;;
	ept) pml=1 ;;
	noad) ad=0 ;;
	esac
	awk -v kernel="${2%%-*}" -v format=$format -v ad=$ad -v pml=$pml -v eager="${eager:-1}" \
		-f "$conformance/synthesise.awk" "$1"
}
