/*
 * Sizes and numbers as people write them: "1G", "1.5 MiB".
 */
#ifndef BENCH_SIZE_H
#define BENCH_SIZE_H

#include <stdbool.h>
#include <stdint.h>

#define SIZE_TEXT 24

/* Digits and optionally one of B K M G T P E (powers of 1024, either case). */
bool size_parse(const char *text, uint64_t *bytes);

/* Digits only; up to 2^63 - 1, the largest JSON integer. */
bool number_parse(const char *text, uint64_t *number);

/* The shortest exact form: 1G, 1536M, 4097. */
const char *size_exact(uint64_t bytes, char text[SIZE_TEXT]);

/* Rounded for tables: bytes, "1.5 MiB", and counts, "10.4 M". */
const char *size_about(uint64_t bytes, char text[SIZE_TEXT]);
const char *count_about(double count, char text[SIZE_TEXT]);

/* Nanoseconds rounded for tables: "850 ns", "1.25 us", "3 ms". */
const char *time_about(uint64_t ns, char text[SIZE_TEXT]);

#endif
