#include "platform/virtual/fiber.h"

#include <stdint.h>
#include <stdlib.h>

#ifdef FIBER_ASAN
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#ifdef FIBER_UCONTEXT

static void *pointer(unsigned int high, unsigned int low)
{
	return (void *)((uintptr_t)high << 16 << 16 | low);
}

/* makecontext() passes ints. */
static void start(unsigned int entry_high, unsigned int entry_low, unsigned int arg_high,
		  unsigned int arg_low)
{
	((void (*)(void *))pointer(entry_high, entry_low))(pointer(arg_high, arg_low));
}

static void prepare(struct fiber *fiber, void *stack, size_t bytes, uintptr_t entry, uintptr_t arg)
{
	getcontext(&fiber->context);
	fiber->stack_pointer = stack;
	fiber->context.uc_stack.ss_sp = stack;
	fiber->context.uc_stack.ss_size = bytes;
	makecontext(&fiber->context, (void (*)(void))start, 4, (unsigned int)(entry >> 16 >> 16),
		    (unsigned int)entry, (unsigned int)(arg >> 16 >> 16), (unsigned int)arg);
}

static void swap(struct fiber *from, struct fiber *to)
{
	swapcontext(&from->context, &to->context);
}

#else

/*
 * Pushes the registers that a call preserves and stores the stack pointer in *from; then takes
 * `to` as the stack pointer and pops its registers.
 */
void fiber_swap(void **from, void *to);
/* The first instructions of a new fiber: calls the first saved register with the second. */
void fiber_start(void);

/*
 * The initial stack of a fiber, as fiber_swap() expects it: the saved registers, then a
 * return address. On x86-64 the stack is aligned to 16 bytes after that return, as before
 * any call.
 */
#if defined(__x86_64__)
enum { FRAME_WORDS = 9, FRAME_ENTRY = 3, FRAME_ARG = 2, FRAME_RETURN = 6 };
#else
enum { FRAME_WORDS = 20, FRAME_ENTRY = 0, FRAME_ARG = 1, FRAME_RETURN = 11 };
#endif

static void prepare(struct fiber *fiber, void *stack, size_t bytes, uintptr_t entry, uintptr_t arg)
{
	uintptr_t *frame = (uintptr_t *)((char *)stack + bytes) - FRAME_WORDS;

	frame[FRAME_ENTRY] = entry;
	frame[FRAME_ARG] = arg;
	frame[FRAME_RETURN] = (uintptr_t)fiber_start;
	fiber->stack_pointer = frame;
}

static void swap(struct fiber *from, struct fiber *to)
{
	fiber_swap(&from->stack_pointer, to->stack_pointer);
}

#endif

/* Reports a switch to the sanitizers: before it, and after it. */
#if defined(FIBER_ASAN)

static void know_own_stack(struct fiber *home)
{
	pthread_attr_t attributes;

	if (pthread_getattr_np(pthread_self(), &attributes))
		return;
	pthread_attr_getstack(&attributes, &home->stack, &home->bytes);
	pthread_attr_destroy(&attributes);
}

static void know_stack(struct fiber *fiber, void *stack, size_t bytes)
{
	fiber->stack = stack;
	fiber->bytes = bytes;
}

/* Unpoisons the stack: frames that the fiber never returned from are gone. */
static void forget(struct fiber *fiber)
{
	__asan_unpoison_memory_region(fiber->stack, fiber->bytes);
}

static void announce(struct fiber *from, struct fiber *to)
{
	__sanitizer_start_switch_fiber(from ? &from->fake_stack : NULL, to->stack, to->bytes);
}

static void arrive(struct fiber *back)
{
	__sanitizer_finish_switch_fiber(back ? back->fake_stack : NULL, NULL, NULL);
}

#elif defined(FIBER_TSAN)

static void know_own_stack(struct fiber *home)
{
	home->tsan = __tsan_get_current_fiber();
}

static void know_stack(struct fiber *fiber, void *stack, size_t bytes)
{
	(void)stack;
	(void)bytes;
	fiber->tsan = __tsan_create_fiber(0);
}

static void forget(struct fiber *fiber)
{
	__tsan_destroy_fiber(fiber->tsan);
}

static void announce(struct fiber *from, struct fiber *to)
{
	(void)from;
	__tsan_switch_to_fiber(to->tsan, 0);
}

static void arrive(struct fiber *back)
{
	(void)back;
}

#else

static void know_own_stack(struct fiber *home)
{
	(void)home;
}

static void know_stack(struct fiber *fiber, void *stack, size_t bytes)
{
	(void)fiber;
	(void)stack;
	(void)bytes;
}

static void forget(struct fiber *fiber)
{
	(void)fiber;
}

static void announce(struct fiber *from, struct fiber *to)
{
	(void)from;
	(void)to;
}

static void arrive(struct fiber *back)
{
	(void)back;
}

#endif

void fiber_home(struct fiber *home)
{
	*home = (struct fiber){0};
	know_own_stack(home);
}

void fiber_init(struct fiber *fiber, void *stack, size_t bytes, void (*entry)(void *arg), void *arg)
{
	*fiber = (struct fiber){0};
	prepare(fiber, stack, bytes, (uintptr_t)entry, (uintptr_t)arg);
	know_stack(fiber, stack, bytes);
}

void fiber_begin(void)
{
	arrive(NULL);
}

void fiber_fini(struct fiber *fiber)
{
	forget(fiber);
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	announce(from, to);
	swap(from, to);
	arrive(from);
}

_Noreturn void fiber_leave(struct fiber *from, struct fiber *to)
{
	announce(NULL, to);
	swap(from, to);
	abort();
}
