#!/bin/sh
# What the public headers mark with TDP_API, what lib/tdpsim.symbols lists and
# what the shared library exports are the same; and the library needs libc alone.
# With --update the list is written from the headers.
. "$(dirname "$0")/common.sh"
list=lib/tdpsim.symbols

declared() {
    code include | sed 's/^[^:]*:[0-9]*://' | grep -v '^[[:space:]]*#' | tr '\n' ' ' |
        grep -oE 'TDP_API [^;{]*' | sed -E 's/\(.*//; s/.*[^a-z0-9_]//' | sort -u
}

if [ "${1:-}" = --update ]; then
    declared >"$list"
    exit
fi

need_build
library=$TDPSIM_BUILD/lib/libtdpsim.so

declared >"$work/declared"
nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
    sort >"$work/exported"
sort "$list" >"$work/listed"

comm -23 "$work/listed" "$work/exported" | complain_each "listed, but not exported:"
comm -13 "$work/listed" "$work/exported" | complain_each "exported, but not in $list:"
comm -23 "$work/listed" "$work/declared" | complain_each "listed, but in no public header:"
comm -13 "$work/listed" "$work/declared" |
    complain_each "in a public header, but not in $list (run this test with --update):"

soname=$(readelf -d "$library" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
[ "$soname" = libtdpsim.so.0 ] || complain "the SONAME is $soname"
readelf -d "$library" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -v '^libc\.so\.6$' |
    complain_each "the library needs more than libc:"
nm -D --undefined-only "$library" | awk '$1 == "U" && $2 !~ /@GLIBC/' |
    complain_each "defined neither by the library nor by libc:"
nm -D "$library" | awk '$NF ~ /@TDP/ && $NF !~ /@TDPSIM_0\.1$/' |
    complain_each "exported under another version:"

verdict
