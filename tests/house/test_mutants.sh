#!/bin/sh
# Every patch of tests/mutants/ applies to the tree as it is, breaks one file of
# the library, and names the rule that it breaks; script/mutants runs them.
. "$(dirname "$0")/common.sh"
command -v git >/dev/null || exit 77

for patch in tests/mutants/*.patch; do
    git apply --check "$patch" 2>"$work/reason" ||
        complain "$patch does not apply: $(head -n 1 "$work/reason")"
    [ "$(git apply --numstat "$patch" 2>/dev/null | grep -c 'lib/')" = 1 ] ||
        complain "$patch does not change one file of lib/"
    sed '/^diff /q' "$patch" | grep -q '^Rule: ' || complain "$patch names no rule"
done

verdict
