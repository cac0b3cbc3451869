/*
 * Fibers: stacks that one thread of the host takes turns on. A switch keeps what
 * the C ABI says a call keeps; the floating-point modes are the same for all.
 * The sanitizers are told of every switch.
 *
 * Per processor there are a few lines of assembly (fiber_<machine>.S); elsewhere
 * ucontext(3) serves, which asks the kernel at each switch.
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

/* While it does not run. Small: a run touches another one at every event. */
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

/* The fiber that the calling thread is. */
void fiber_home(struct fiber *home);
/*
 * A fiber that will call entry(arg) on [stack, stack + bytes), of whole cache lines.
 * Entry begins with fiber_begin() and never returns: it ends by fiber_leave().
 */
void fiber_init(struct fiber *fiber, void *stack, size_t bytes, void (*entry)(void *arg),
		void *arg);
void fiber_begin(void);
/* Its stack may be unmapped then. It does not run. */
void fiber_fini(struct fiber *fiber);

/* Somebody will switch to it soon. */
static inline void fiber_prefetch(const struct fiber *fiber)
{
	const char *frames = fiber->stack_pointer;

	__builtin_prefetch(frames);
	__builtin_prefetch(frames + 64);
	__builtin_prefetch(frames + 128);
}

/* `from` runs and comes back here when somebody switches to it. */
void fiber_switch(struct fiber *from, struct fiber *to);
/* The same for the last time. */
_Noreturn void fiber_leave(struct fiber *from, struct fiber *to);

#endif
