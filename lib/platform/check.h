/*
 * CHECK(rule): did we break our own rule? Stops the program and names it. It is
 * for what no caller's input can cause; it stays on in every build, so it must
 * be cheap. DCHECK is for the costly ones and for the hot path, in builds with
 * TDP_DEBUG.
 */
#ifndef TDPSIM_PLATFORM_CHECK_H
#define TDPSIM_PLATFORM_CHECK_H

_Noreturn void check_failed(const char *rule, const char *file, int line);

#define CHECK(rule)                                                                                \
	do {                                                                                       \
		if (__builtin_expect(!(rule), 0))                                                  \
			check_failed(#rule, __FILE__, __LINE__);                                   \
	} while (0)

#ifdef TDP_DEBUG
#define DCHECK(rule) CHECK(rule)
#else
#define DCHECK(rule)                                                                               \
	do {                                                                                       \
		(void)sizeof(rule);                                                                \
	} while (0)
#endif

#endif
