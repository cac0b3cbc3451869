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

struct fiber {
	void *stack_pointer; /* while another runs */
	void *stack;	     /* lowest byte */
	size_t bytes;
	void (*entry)(void *arg); /* never returns: it ends by fiber_leave() */
	void *arg;
	void *fake_stack; /* AddressSanitizer's */
	void *tsan;	  /* ThreadSanitizer's */
#ifdef FIBER_UCONTEXT
	ucontext_t context;
#endif
};

/* The fiber that the calling thread is. */
void fiber_home(struct fiber *home);
/* A fiber that will call entry(arg) on [stack, stack + bytes), of whole pages. */
void fiber_init(struct fiber *fiber, void *stack, size_t bytes, void (*entry)(void *arg),
		void *arg);
/* Its stack may be unmapped then. It does not run. */
void fiber_fini(struct fiber *fiber);

/* `from` runs and comes back here when somebody switches to it. */
void fiber_switch(struct fiber *from, struct fiber *to);
/* The same for the last time. */
_Noreturn void fiber_leave(struct fiber *from, struct fiber *to);

#endif
