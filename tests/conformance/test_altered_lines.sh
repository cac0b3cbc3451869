#!/bin/sh
# A comparison that cannot fail is none: for each kind of field that is compared,
# one occurrence is altered in a copy of a trace, and replay must fail at that very
# line. What is taken away (NEXT in the table) is missed at the line that follows it.
. "$TDPSIM_SOURCE/tests/conformance/lib.sh"

alter() {
	name=$1 pattern=$2 which=$3 command=$4 next=0
	case $command in *';NEXT') next=1 command=${command%;NEXT} ;; esac
	plain "$name" "$work/before"
	line=$(grep -n "$pattern" "$work/before" | sed -n "${which}s/:.*//p")
	[ -n "$line" ] || { fail "$name: no line $which of '$pattern'"; return; }
	sed "${line}${command}" "$work/before" >"$work/after"
	cmp -s "$work/before" "$work/after" && { fail "$name: '$command' changes nothing"; return; }
	"$replay" "$work/after" >"$work/out" 2>&1
	status=$?
	first=$(sed -n 's/^  line \([0-9]*\): .*/\1/p' "$work/out" | head -n 1)
	if [ "$next" -eq 1 ]; then
		line=$(sed -n "$((line + 1)),\$p" "$work/after" | grep -n "$compared" |
			sed -n '1s/:.*//p' | awk -v from="$line" '{ print from + $1 }')
	fi
	if [ "$status" -ne 1 ] || [ "${first:-none}" != "$line" ]; then
		fail "$name, line $line ($pattern, $command): status $status, first line ${first:-none}"
		head -n 4 "$work/out"
	fi
}

compared=': \(kvm_mmu_\|kvm_tdp_mmu_spte\|kvm_page_fault\|fast_page_fault\|mark_dirty\|kvm_dirty_ring\|ret_tdp_page_fault\|flush_all\|load_pgd\|ret_root\)\| P: '
tab=$(printf '\t')
while IFS=$tab read -r name pattern which command; do
	case $name in '#'* | '') continue ;; esac
	alter "$name" "$pattern" "$which" "$command"
done <"$conformance/alterations.tsv"
exit $((failures > 0))
