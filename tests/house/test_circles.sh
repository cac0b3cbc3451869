#!/bin/sh
# No two files of a folder call each other, directly or around: every file can be read after those
# that it calls. The two engines define the same functions, so each is read with the rest of lib/
# apart from the other. The reader itself is tried on a circle first.
. "$(dirname "$0")/common.sh"
circles=tests/house/circles.awk

# circle_free FOLDER [EXCEPT]: the files of a folder, without those whose path matches.
circle_free() {
    [ -d "$1" ] || {
        complain "there is no folder $1"
        return
    }
    find "$1" -name '*.[ch]' | grep -vE "${2:-^$}" | sort | xargs awk -f "$circles" | sort |
        complain_each "files of $1 that call each other in a circle:"
}

# A circle of three files, one of its calls in a header's inline function; a name that a second
# file keeps to itself, and a call through a pointer, are none.
mkdir "$work/planted"
printf 'int a(void)\n{\n\treturn b(1);\n}\n' >"$work/planted/a.c"
printf 'static inline int b(int x)\n{\n\treturn x + c();\n}\n' >"$work/planted/b.h"
printf 'int c(void)\n{\n\treturn a();\n}\n' >"$work/planted/c.c"
printf 'static int a(void)\n{\n\treturn 0;\n}\n\nint d(void)\n{\n\treturn a();\n}\n' \
    >"$work/planted/d.c"
printf 'int e(struct e *e)\n{\n\treturn e->d(e) + d();\n}\n' >"$work/planted/e.c"
[ "$(find "$work/planted" -name '*.[ch]' | sort | xargs awk -f "$circles" | grep -c ' -> ')" = 3 ] ||
    complain "circles.awk does not see three calls of a planted circle"

circle_free lib '^lib/platform/virtual/'
circle_free lib '^lib/platform/native/'
circle_free lib/mmu
circle_free lib/trace
circle_free bench

verdict
