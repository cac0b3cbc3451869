#!/bin/sh
# lib/platform/ is the only door to atomics, threads, thread-locals, waiting and
# time: what goes around it, the second engine would not see. The measuring loops
# in bench/limits/ are native alone and excepted.
. "$(dirname "$0")/common.sh"

headers='stdatomic|pthread|threads|time|sys/time|sched|semaphore|linux/futex|urcu[a-z/_-]*'
words='_Atomic|_Thread_local|thread_local|__thread|__(atomic|sync)_[a-z_]+'
words="$words|pthread_[a-z_]+|sched_[a-z]+|clock_[a-z]*time|gettimeofday|u?sleep|nanosleep"
words="$words|sem_(init|wait|post)|asm|__asm__"

code lib bench tests examples include | grep -vE '^(lib/platform|bench/limits)/' |
    grep -E "include[[:space:]]*<($headers)\.h>|(^|[^A-Za-z0-9_])($words)[^A-Za-z0-9_]" |
    complain_each "around the platform:"

verdict
