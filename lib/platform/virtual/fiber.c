#include "platform/virtual/fiber.h"

#include <stdint.h>
#include <stdlib.h>

#if defined(__has_feature)
#define FEATURE(name) __has_feature(name)
#else
#define FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || FEATURE(address_sanitizer)
#define FIBER_ASAN
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__) || FEATURE(thread_sanitizer)
#define FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

static void begin(void *arg);

#ifdef FIBER_UCONTEXT

/* makecontext() passes ints. */
static void start(unsigned int high, unsigned int low)
{
	begin((void *)((uintptr_t)high << 16 << 16 | low));
}

static void prepare(struct fiber *fiber)
{
	uintptr_t self = (uintptr_t)fiber;

	getcontext(&fiber->context);
	fiber->context.uc_stack.ss_sp = fiber->stack;
	fiber->context.uc_stack.ss_size = fiber->bytes;
	makecontext(&fiber->context, (void (*)(void))start, 2, (unsigned int)(self >> 16 >> 16),
		    (unsigned int)self);
}

static void swap(struct fiber *from, struct fiber *to)
{
	swapcontext(&from->context, &to->context);
}

#else

/* Pushes what a call keeps, stores the stack pointer in *from, and undoes both with `to`. */
void fiber_swap(void **from, void *to);
/* Where a new fiber begins: calls the first kept register with the second. */
void fiber_start(void);

/*
 * What fiber_swap() finds: the kept registers, then where to return to. On x86-64
 * the stack is aligned to 16 bytes after that return, as before any call.
 */
#if defined(__x86_64__)
enum { FRAME_WORDS = 9, FRAME_ENTRY = 3, FRAME_ARG = 2, FRAME_RETURN = 6 };
#else
enum { FRAME_WORDS = 20, FRAME_ENTRY = 0, FRAME_ARG = 1, FRAME_RETURN = 11 };
#endif

static void prepare(struct fiber *fiber)
{
	uintptr_t *frame = (uintptr_t *)((char *)fiber->stack + fiber->bytes) - FRAME_WORDS;

	frame[FRAME_ENTRY] = (uintptr_t)begin;
	frame[FRAME_ARG] = (uintptr_t)fiber;
	frame[FRAME_RETURN] = (uintptr_t)fiber_start;
	fiber->stack_pointer = frame;
}

static void swap(struct fiber *from, struct fiber *to)
{
	fiber_swap(&from->stack_pointer, to->stack_pointer);
}

#endif

#ifdef FIBER_ASAN

static void find_own_stack(struct fiber *home)
{
	pthread_attr_t attributes;

	if (pthread_getattr_np(pthread_self(), &attributes))
		return;
	pthread_attr_getstack(&attributes, &home->stack, &home->bytes);
	pthread_attr_destroy(&attributes);
}

static void announce(struct fiber *to, void **fake_stack)
{
	__sanitizer_start_switch_fiber(fake_stack, to->stack, to->bytes);
}

static void arrive(void *fake_stack)
{
	__sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
}

#elif defined(FIBER_TSAN)

/* A switch orders nothing: what actors owe each other is for their atomics to say. */
static void announce(struct fiber *to, void **fake_stack)
{
	(void)fake_stack;
	__tsan_switch_to_fiber(to->tsan, 0);
}

static void arrive(void *fake_stack)
{
	(void)fake_stack;
}

#else

static void announce(struct fiber *to, void **fake_stack)
{
	(void)to;
	(void)fake_stack;
}

static void arrive(void *fake_stack)
{
	(void)fake_stack;
}

#endif

void fiber_home(struct fiber *home)
{
	*home = (struct fiber){0};
#ifdef FIBER_ASAN
	find_own_stack(home);
#endif
#ifdef FIBER_TSAN
	home->tsan = __tsan_get_current_fiber();
#endif
}

static void begin(void *arg)
{
	struct fiber *fiber = arg;

	arrive(NULL);
	fiber->entry(fiber->arg);
}

void fiber_init(struct fiber *fiber, void *stack, size_t bytes, void (*entry)(void *arg), void *arg)
{
	*fiber = (struct fiber){.stack = stack, .bytes = bytes, .entry = entry, .arg = arg};
	prepare(fiber);
#ifdef FIBER_TSAN
	fiber->tsan = __tsan_create_fiber(0);
#endif
}

void fiber_fini(struct fiber *fiber)
{
#ifdef FIBER_ASAN
	/* The frames that it never returned from. */
	__asan_unpoison_memory_region(fiber->stack, fiber->bytes);
#endif
#ifdef FIBER_TSAN
	__tsan_destroy_fiber(fiber->tsan);
#endif
	(void)fiber;
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	announce(to, &from->fake_stack);
	swap(from, to);
	arrive(from->fake_stack);
}

_Noreturn void fiber_leave(struct fiber *from, struct fiber *to)
{
	/* NULL: what AddressSanitizer keeps of this one's frames is freed. */
	announce(to, NULL);
	swap(from, to);
	abort();
}
