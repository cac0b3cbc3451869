#!/bin/sh
# Nothing in the tree names a place outside it, or is marked unfinished; a file
# keeps to one subject; the man pages are well formed.
. "$(dirname "$0")/common.sh"

tree() {
    find . \( -name .git -o -path ./build \) -prune -o -type f "$@" -print
}

tree | xargs grep -InE '[.][.]/shared|/(wor[k]|far[m]|tmp/studi[o])/' |
    complain_each "paths of one machine:"

tree \( -name '*.[ch]' -o -name '*.sh' -o -name '*.cmake' -o -name CMakeLists.txt \) |
    xargs grep -InwE 'TOD[O]|FIXM[E]|XX[X]|HAC[K]|not implemente[d]|placeholde[r]|stu[b]' |
    complain_each "marked unfinished:"

tree -name '*.[ch]' | xargs wc -l | awk '$2 != "total" && $1 > 600' |
    complain_each "longer than 600 lines:"

if command -v mandoc >/dev/null; then
    for manual in docs/man/*.[137]; do
        [ ! -e "$manual" ] || mandoc -T lint -W warning "$manual" ||
            complain "$manual is not well formed"
    done
fi

verdict
