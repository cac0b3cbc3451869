#!/bin/sh
# A plain ctest leaves the long tests out, however else it is restricted, and a
# request for them by label or by name finds them.
. "$(dirname "$0")/common.sh"
need_build
[ -e tests/stress/main.c ] || exit 77

# listed OPTIONS...: the names of the tests that ctest would run.
listed() {
    ctest --test-dir "$TDPSIM_BUILD" -N "$@" 2>/dev/null | sed -n 's/^ *Test *#[0-9]*: //p'
}

listed | grep '^long/' | complain_each "in a plain ctest:"
listed -LE house | grep '^long/' | complain_each "with -LE house:"
listed -R iter | grep '^long/' | complain_each "with -R iter:"
listed -L long | grep -q '^long/' || complain "-L long finds none"
listed -L long | grep -v '^long/' | complain_each "with -L long:"
listed -R long/ | grep -q '^long/' || complain "-R long/ finds none"

verdict
