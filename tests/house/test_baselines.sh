#!/bin/sh
# The rows of lib/vm/policy.c are the only code that knows a baseline. A difference
# between kernels anywhere else belongs into a row.
. "$(dirname "$0")/common.sh"

# replay finds the baseline of a trace's kernel in a table of its own.
code lib bench | grep -vE '^(lib/vm/policy\.c|bench/tools/replay/kernel\.c):' |
    grep -E 'TDP_BASELINE_[5-9]|baseline[[:space:]]*(==|!=|<|>)' |
    complain_each "a comparison of baselines outside the rows:"

verdict
