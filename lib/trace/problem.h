/*
 * Why a file cannot be used, in a sentence that names the file and the line.
 */
#ifndef TRACE_PROBLEM_H
#define TRACE_PROBLEM_H

struct problem {
	char sentence[400];
};

/* Formats the sentence and returns `err`, so that a caller can return both at once. */
int problem_state(struct problem *problem, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
