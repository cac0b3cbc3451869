#!/bin/sh
# Every public header compiles alone and twice over, in strict C11 and as C++;
# tdpsim.h includes them all; and C++ sees functions with C linkage.
. "$(dirname "$0")/common.sh"
need_build

strict="-Wall -Wextra -Werror -pedantic-errors -Iinclude -I$TDPSIM_BUILD/include"

headers=$(cd include && find tdpsim -name '*.h' | sort)
for header in $headers tdpsim/version.h; do
    text="#include <$header>
#include <$header>
typedef int not_empty;"
    # shellcheck disable=SC2086  # a list of flags
    echo "$text" | gcc -std=c11 $strict -fsyntax-only -x c - ||
        complain "$header does not compile as C11"
    # shellcheck disable=SC2086
    echo "$text" | g++ -std=c++11 $strict -fsyntax-only -x c++ - ||
        complain "$header does not compile as C++"
    case $header in
    tdpsim/tdpsim.h) ;;
    *) grep -q "include <$header>" include/tdpsim/tdpsim.h ||
        complain "tdpsim.h does not include $header" ;;
    esac
done

# shellcheck disable=SC2086
printf '#include <tdpsim/types.h>\nTDP_API void probe(void);\nvoid f() { probe(); }\n' |
    g++ -std=c++11 $strict -S -o - -x c++ - | grep -qE '[^A-Za-z0-9_]probe([^A-Za-z0-9_]|$)' ||
    complain "TDP_API functions do not have C linkage in C++"

verdict
