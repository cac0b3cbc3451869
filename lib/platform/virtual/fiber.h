/*
 * Fibers: stacks between which one thread of the host switches. A switch preserves the
 * registers that the C ABI says a call preserves; all fibers share the floating-point
 * modes. Each switch is reported to the sanitizers.
 *
 * A processor needs a few lines of assembly (fiber_<machine>.S). Others use ucontext(3),
 * which makes a system call at each switch.
 */
#ifndef TDPSIM_PLATFORM_VIRTUAL_FIBER_H
#define TDPSIM_PLATFORM_VIRTUAL_FIBER_H

#include <stddef.h>

#if !defined(FIBER_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define FIBER_UCONTEXT
#endif
#ifdef FIBER_UCONTEXT
#include <ucontext.h>
#endif

#if defined(__has_feature)
#define FIBER_FEATURE(name) __has_feature(name)
#else
#define FIBER_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || FIBER_FEATURE(address_sanitizer)
#define FIBER_ASAN
#endif
#if defined(__SANITIZE_THREAD__) || FIBER_FEATURE(thread_sanitizer)
#define FIBER_TSAN
#endif

/* The state of a fiber that does not run. It is small: a run touches another at every event. */
struct fiber {
	void *stack_pointer;
#ifdef FIBER_UCONTEXT
	ucontext_t context;
#endif
#ifdef FIBER_ASAN
	void *stack, *fake_stack;
	size_t bytes;
#endif
#ifdef FIBER_TSAN
	void *tsan;
#endif
};

/* Makes a fiber of the calling thread. */
void fiber_home(struct fiber *home);
/*
 * Makes a fiber that will call entry(arg) on [stack, stack + bytes), of whole cache lines.
 * Entry begins with fiber_begin() and never returns: it ends with fiber_leave().
 */
void fiber_init(struct fiber *fiber, void *stack, size_t bytes, void (*entry)(void *arg),
		void *arg);
void fiber_begin(void);
/* Ends a fiber that does not run; its stack may be unmapped afterwards. */
void fiber_fini(struct fiber *fiber);

/* Prefetches a fiber that will probably run soon. */
static inline void fiber_prefetch(const struct fiber *fiber)
{
	const char *frames = fiber->stack_pointer;

	__builtin_prefetch(frames);
	__builtin_prefetch(frames + 64);
	__builtin_prefetch(frames + 128);
}

/* Switches from the running fiber to `to`; returns when a fiber switches back to `from`. */
void fiber_switch(struct fiber *from, struct fiber *to);
/* Switches for the last time: `from` never runs again. */
_Noreturn void fiber_leave(struct fiber *from, struct fiber *to);

#endif
