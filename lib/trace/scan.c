/*
 * The scanner of trace lines. No allocation, no locale, no copying but by
 * scan_token(); a number that does not fit 64 bits fails the line.
 */
#include "trace/scan.h"

#include <string.h>

struct scan scan_text(const char *text, size_t length)
{
	struct scan scan = {text, text + length, false};

	return scan;
}

bool scan_try(struct scan *scan, const char *word)
{
	size_t length = strlen(word);

	if (scan->failed || (size_t)(scan->end - scan->at) < length ||
	    memcmp(scan->at, word, length) != 0)
		return false;
	scan->at += length;
	return true;
}

void scan_word(struct scan *scan, const char *word)
{
	if (!scan_try(scan, word))
		scan->failed = true;
}

bool scan_try_past(struct scan *scan, const char *word)
{
	size_t length = strlen(word);
	const char *found;

	if (scan->failed)
		return false;
	found = memmem(scan->at, (size_t)(scan->end - scan->at), word, length);
	if (found)
		scan->at = found + length;
	return found != NULL;
}

void scan_past(struct scan *scan, const char *word)
{
	if (!scan_try_past(scan, word))
		scan->failed = true;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

static uint64_t scan_digits(struct scan *scan, unsigned int base)
{
	const char *start = scan->at;
	uint64_t value = 0;
	int digit;

	if (scan->failed)
		return 0;
	for (; scan->at < scan->end; scan->at++) {
		digit = digit_of(*scan->at);
		if (digit >= (int)base)
			break;
		if (value > (UINT64_MAX - (unsigned int)digit) / base)
			scan->failed = true;
		value = value * base + (unsigned int)digit;
	}
	if (scan->at == start)
		scan->failed = true;
	return scan->failed ? 0 : value;
}

uint64_t scan_dec(struct scan *scan)
{
	return scan_digits(scan, 10);
}

uint64_t scan_hex(struct scan *scan)
{
	scan_try(scan, "0x");
	return scan_digits(scan, 16);
}

uint64_t scan_number(struct scan *scan)
{
	return scan_try(scan, "0x") ? scan_digits(scan, 16) : scan_digits(scan, 10);
}

int64_t scan_signed(struct scan *scan)
{
	bool negative = scan_try(scan, "-");
	uint64_t value = scan_dec(scan);

	if (value > INT64_MAX)
		scan->failed = true;
	return negative ? -(int64_t)value : (int64_t)value;
}

void scan_token(struct scan *scan, char *out, size_t size)
{
	size_t length = 0;

	while (!scan->failed && scan->at < scan->end && *scan->at != ' ') {
		if (length + 1 >= size) {
			scan->failed = true;
			break;
		}
		out[length++] = *scan->at++;
	}
	out[length] = '\0';
}
