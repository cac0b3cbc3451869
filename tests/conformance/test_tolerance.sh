#!/bin/sh
# What differs from boot to boot, or from one build of a kernel to the next, is not
# compared: where a walk yields, and whether the probe on EPT misconfigurations fires. But
# nothing more is tolerated than that.
. "$TDPSIM_SOURCE/tests/conformance/lib.sh"

# agrees SENTENCE FILE: and the report says so.
agrees() {
	"$replay" --check "$2" >"$work/out" 2>&1 && grep -q "$1" "$work/out" && return
	fail "$2 should agree, with '$1'"
	cat "$work/out"
}

# differs_at LINE FILE
differs_at() {
	"$replay" "$2" >"$work/out" 2>&1
	[ $? -eq 1 ] && grep -q "^  line $1: " "$work/out" && return
	fail "$2 should differ at line $1"
	cat "$work/out"
}

# flush_before PATTERN WHICH: a flush in front of that line, as a walk prints one that yields.
flush_before() {
	line=$(grep -n "$1" "$work/recover" | sed -n "$2s/:.*//p")
	sed "${line}{h;s/: [a-z_]*: .*/: flush_all: (x)/;p;g}" "$work/recover" >"$work/yields"
}

# Between two entries of a recovery, once or twice; not before the first, not within the
# lines of one entry and the table that it replaces, and not where logging begins.
plain 6.18.15/recover "$work/recover"
flush_before make_huge: 2
agrees '1 flushes before a yield' "$work/yields"
cp "$work/recover" "$work/kept"
cp "$work/yields" "$work/recover"
flush_before make_huge: 4
cp "$work/kept" "$work/recover"
agrees '2 flushes before a yield' "$work/yields"
flush_before make_huge: 1
differs_at "$line" "$work/yields"
flush_before 'kvm_mmu_prepare_zap_page:.* l1 ' 1
differs_at "$line" "$work/yields"
flush_before 'gfn 40405 level 1 old_spte 8000000000000000 new_spte 80000000000005a0' 1
differs_at "$line" "$work/yields"
flush_before 'old_spte [0-9a-f]*e67 new_spte [0-9a-f]*e65$' 2
differs_at "$line" "$work/yields"

# A probe that never fires; one that misses one access.
plain 6.12.117-ept/mmio "$work/mmio"
grep -v ept_misconfig: "$work/mmio" >"$work/silent"
agrees 'ept_misconfig, whose probe did not fire' "$work/silent"
line=$(grep -n ept_misconfig: "$work/mmio" | sed -n '2s/:.*//p')
sed "${line}d" "$work/mmio" >"$work/missed"
"$replay" "$work/missed" >"$work/out" 2>&1
[ $? -eq 1 ] || fail "an ept_misconfig line is missing, and nothing says so"
exit $((failures > 0))
