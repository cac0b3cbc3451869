/*
 * The switch for x86-64 (System V ABI: rbx, rbp, r12 to r15 are the callee's to
 * keep). All switches but the first and last of a fiber come from one call, so
 * that the processor's prediction of the return is right.
 */
#if defined(__x86_64__) && !defined(FIBER_UCONTEXT)
	.text
	.globl	fiber_swap
	.hidden	fiber_swap
	.type	fiber_swap, @function
	.p2align 4
fiber_swap:
	.cfi_startproc
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
	.cfi_endproc
	.size	fiber_swap, . - fiber_swap

	/* The outermost frame: unwinding ends here, because fiber_start has no caller. */
	.globl	fiber_start
	.hidden	fiber_start
	.type	fiber_start, @function
	.p2align 4
fiber_start:
	.cfi_startproc
	.cfi_undefined %rip
	movq	%r13, %rdi
	callq	*%r12
	ud2
	.cfi_endproc
	.size	fiber_start, . - fiber_start
#endif
	.section .note.GNU-stack, "", @progbits
