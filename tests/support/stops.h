/*
 * Does the program stop? For rules that CHECK() keeps: the body runs in a child
 * process, whose message is thrown away.
 */
#ifndef TDPSIM_TESTS_SUPPORT_STOPS_H
#define TDPSIM_TESTS_SUPPORT_STOPS_H

#include <stdbool.h>

/* True if body(arg) ended by abort(), which is what a broken rule does. */
bool stops(void (*body)(void *arg), void *arg);

#endif
