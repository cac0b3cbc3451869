/*
 * CHECK(rule) stops the program and prints the rule if the library has broken it. Use it
 * for rules that no caller's input can break. Every build has it, so the rule must be
 * cheap. DCHECK is for costly rules and for the hot path; only builds with TDP_DEBUG
 * have it.
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
