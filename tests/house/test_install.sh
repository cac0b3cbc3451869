#!/bin/sh
# The package works from where it was installed, and from where it was moved to:
# every example builds by pkg-config and by CMake, and runs.
. "$(dirname "$0")/common.sh"
need_build
[ -z "${TDPSIM_SANITIZE:-}" ] || exit 77
set -- examples/*.c
[ -e "$1" ] || exit 77

cmake --install "$TDPSIM_BUILD" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/moved"

pc=$(find "$work/moved" -name tdpsim.pc)
[ -n "$pc" ] || complain "no pkg-config file was installed"
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
export LD_LIBRARY_PATH

for example; do
    program=$work/$(basename "$example" .c)
    # shellcheck disable=SC2046  # a list of flags
    ${CC:-cc} -std=c11 -Wall -Wextra -Werror -o "$program" "$example" \
        $(pkg-config --cflags --libs tdpsim) || complain "$example: pkg-config build"
    "$program" >"$work/out" 2>&1 || complain "$example: ends with $? $(cat "$work/out")"
done

# The second way must find its library by itself.
unset LD_LIBRARY_PATH PKG_CONFIG_PATH
cmake -G Ninja -S examples -B "$work/build" -DCMAKE_PREFIX_PATH="$work/moved" >"$work/out" 2>&1 ||
    complain "find_package: $(cat "$work/out")"
cmake --build "$work/build" >"$work/out" 2>&1 || complain "CMake build: $(cat "$work/out")"
for example; do
    program=$work/build/$(basename "$example" .c)
    "$program" >"$work/out" 2>&1 || complain "$example: ends with $? $(cat "$work/out")"
done

for manual in docs/man/*.[137]; do
    [ ! -e "$manual" ] || [ -n "$(find "$work/moved" -name "$(basename "$manual")")" ] ||
        complain "$manual was not installed"
done

verdict
