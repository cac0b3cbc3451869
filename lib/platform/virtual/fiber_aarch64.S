/*
 * The switch for aarch64 (AAPCS64: x19 to x29, the link register, and the lower
 * halves of v8 to v15 are the callee's to keep).
 */
#if defined(__aarch64__) && !defined(FIBER_UCONTEXT)
	.text
	.globl	fiber_swap
	.hidden	fiber_swap
	.type	fiber_swap, %function
	.p2align 4
fiber_swap:
	.cfi_startproc
	sub	sp, sp, #160
	.cfi_adjust_cfa_offset 160
	stp	x19, x20, [sp, #0]
	stp	x21, x22, [sp, #16]
	stp	x23, x24, [sp, #32]
	stp	x25, x26, [sp, #48]
	stp	x27, x28, [sp, #64]
	stp	x29, x30, [sp, #80]
	.cfi_rel_offset x29, 80
	.cfi_rel_offset x30, 88
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mov	x9, sp
	str	x9, [x0]
	mov	sp, x1
	ldp	x19, x20, [sp, #0]
	ldp	x21, x22, [sp, #16]
	ldp	x23, x24, [sp, #32]
	ldp	x25, x26, [sp, #48]
	ldp	x27, x28, [sp, #64]
	ldp	x29, x30, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	add	sp, sp, #160
	.cfi_adjust_cfa_offset -160
	.cfi_restore x29
	.cfi_restore x30
	ret
	.cfi_endproc
	.size	fiber_swap, . - fiber_swap

	/* The outermost frame: unwinding ends here, because fiber_start has no caller. */
	.globl	fiber_start
	.hidden	fiber_start
	.type	fiber_start, %function
	.p2align 4
fiber_start:
	.cfi_startproc
	.cfi_undefined x30
	mov	x0, x20
	blr	x19
	brk	#1
	.cfi_endproc
	.size	fiber_start, . - fiber_start
#endif
	.section .note.GNU-stack, "", %progbits
