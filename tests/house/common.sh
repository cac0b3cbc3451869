# Sourced by the house tests: where the tree is, and how a finding is told.
# A house test prints every place that breaks its rule and fails if there is one.
# By hand: `sh tests/house/test_X.sh` in the source tree, TDPSIM_BUILD set where
# the test needs a build.
set -eu
LC_ALL=C
export LC_ALL
cd "${TDPSIM_SOURCE:-$(dirname "$0")/../..}"

# Gone when the test ends. A finding is kept as a file, for much of a test runs
# in the subshells of its pipelines.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# complain WORDS...: one broken rule, said in a line.
complain() {
    echo "$*"
    : >"$work/found"
}

# complain_each SENTENCE: every line on standard input is a broken rule.
complain_each() {
    lines=$(cat)
    [ -z "$lines" ] || complain "$1
$lines"
}

verdict() {
    [ ! -e "$work/found" ] || exit 1
    exit 0
}

need_build() {
    [ -n "${TDPSIM_BUILD:-}" ] || {
        echo "TDPSIM_BUILD does not name a build"
        exit 77
    }
}

# The C files under the folders named, without their comments, each line as
# FILE:NUMBER:TEXT.
code() {
    find "$@" -name '*.[ch]' 2>/dev/null | sort | while read -r file; do
        awk -v file="$file" '
            {
                line = $0; text = ""
                while (line != "") {
                    if (inside) {
                        if (!(end = index(line, "*/"))) break
                        line = substr(line, end + 2); inside = 0
                    } else if ((start = match(line, /\/[*\/]/))) {
                        text = text substr(line, 1, start - 1)
                        if (substr(line, start, 2) == "//") break
                        line = substr(line, start + 2); inside = 1
                    } else {
                        text = text line; break
                    }
                }
                if (text != "") print file ":" NR ":" text
            }' "$file"
    done
}
