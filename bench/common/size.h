/*
 * Sizes and numbers as people write them: "1G", "1.5 MiB".
 */
#ifndef BENCH_SIZE_H
#define BENCH_SIZE_H

#include <stdbool.h>
#include <stdint.h>

#define SIZE_TEXT 24

/* Digits, then nothing or one of B K M G T P E (powers of 1024, either case). */
bool size_parse(const char *text, uint64_t *bytes);

/* Digits alone; up to 2^63 - 1, as JSON has it. */
bool number_parse(const char *text, uint64_t *number);

/* The shortest exact form: 1G, 1536M, 4097. */
const char *size_exact(uint64_t bytes, char text[SIZE_TEXT]);

/* About so many bytes: "1.5 MiB"; or things: "10.4 M". For tables. */
const char *size_about(uint64_t bytes, char text[SIZE_TEXT]);
const char *count_about(double count, char text[SIZE_TEXT]);

/* A time of so many nanoseconds: "850 ns", "1.25 us", "3 ms". For tables. */
const char *time_about(uint64_t ns, char text[SIZE_TEXT]);

#endif
