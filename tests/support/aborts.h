/*
 * Whether code aborts, for tests of rules that CHECK() enforces. The code runs in a child
 * process, whose message is discarded.
 */
#ifndef TDPSIM_TESTS_SUPPORT_ABORTS_H
#define TDPSIM_TESTS_SUPPORT_ABORTS_H

#include <stdbool.h>

/* True if body(arg) ends by abort(), as a failed CHECK() does. */
bool aborts(void (*body)(void *arg), void *arg);

#endif
