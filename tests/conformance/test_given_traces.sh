#!/bin/sh
# Every given trace agrees with the simulator: to its end, or up to the line of
# the first thing that the simulator cannot do yet (expected.tsv says which). The
# checker finds nothing wrong with the tables that are there then.
. "$TDPSIM_SOURCE/tests/conformance/lib.sh"

run() {
	name=$1 status=$2 line=$3 needs=$4
	file=$traces/$name
	[ -e "$file" ] || file=$traces/$name.txt.xz
	options=
	case $name in *.dat) options="--baseline 6.12 --format npt" ;; esac
	case $name in *@eagerN.dat) options="$options --eager-split off" ;; esac
	"$replay" --check $options "$file" >"$work/out" 2>&1
	got=$?
	if [ "$got" -ne "$status" ]; then
		fail "$name: exit status $got, not $status"
		cat "$work/out"
	elif [ "$status" -eq 3 ] && ! grep -qx "  line $line: needs $needs" "$work/out"; then
		fail "$name: does not stop at line $line for $needs"
		cat "$work/out"
	fi
}

tab=$(printf '\t')
while IFS=$tab read -r name status line needs; do
	case $name in '#'* | '') continue ;; esac
	run "$name" "$status" "${line:-}" "${needs:-}"
done <"$conformance/expected.tsv"

# No trace is forgotten.
(cd "$traces" && find . -type f) | sed 's|^\./||; s|\.txt\.xz$||' | LC_ALL=C sort >"$work/there"
grep -v '^#' "$conformance/expected.tsv" | cut -f1 | LC_ALL=C sort >"$work/listed"
cmp -s "$work/there" "$work/listed" || fail "expected.tsv and traces/ do not list the same traces"
exit $((failures > 0))
