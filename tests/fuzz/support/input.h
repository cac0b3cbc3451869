/*
 * A fuzzer's bytes, read as numbers from front to back. What is missing at the end
 * reads as 0, so that every input, cut anywhere, decodes to something.
 */
#ifndef TESTS_FUZZ_SUPPORT_INPUT_H
#define TESTS_FUZZ_SUPPORT_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at, *end;
};

static inline struct input input_of(const uint8_t *data, size_t size)
{
	return (struct input){data, data + size};
}

static inline bool input_left(const struct input *input)
{
	return input->at < input->end;
}

static inline uint8_t input_u8(struct input *input)
{
	return input_left(input) ? *input->at++ : 0;
}

/* Little-endian, of 1 to 8 bytes. */
static inline uint64_t input_bytes(struct input *input, unsigned int bytes)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < bytes; i++)
		value |= (uint64_t)input_u8(input) << (8 * i);
	return value;
}

static inline uint64_t input_u64(struct input *input)
{
	return input_bytes(input, 8);
}

/* What must hold whatever the input: stops the program with its name. */
#define HOLDS(rule)                                                                                \
	do {                                                                                       \
		if (!(rule)) {                                                                     \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #rule);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
