#!/bin/sh
# What the public headers mark with TDP_API, what lib/tdpsim.symbols lists and
# what the shared library and its virtual twin export are the same; and both need
# libc alone.
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
declared >"$work/declared"
sort "$list" >"$work/listed"
comm -23 "$work/listed" "$work/declared" | complain_each "listed, but in no public header:"
comm -13 "$work/listed" "$work/declared" |
    complain_each "in a public header, but not in $list (run this test with --update):"

# check_library NAME: of build/<preset>/lib.
check_library() {
    library=$TDPSIM_BUILD/lib/$1.so

    nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
        sort >"$work/exported"
    comm -23 "$work/listed" "$work/exported" | complain_each "$1: listed, but not exported:"
    comm -13 "$work/listed" "$work/exported" | complain_each "$1: exported, but not in $list:"

    soname=$(readelf -d "$library" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
    [ "$soname" = "$1.so.0" ] || complain "$1: the SONAME is $soname"
    readelf -d "$library" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -v '^libc\.so\.6$' |
        complain_each "$1 needs more than libc:"
    nm -D --undefined-only "$library" | awk '$1 == "U" && $2 !~ /@GLIBC/' |
        complain_each "$1: defined neither by the library nor by libc:"
    nm -D "$library" | awk '$NF ~ /@TDP/ && $NF !~ /@TDPSIM_0\.1$/' |
        complain_each "$1: exported under another version:"
}

check_library libtdpsim
check_library libtdpsim-virtual

verdict
