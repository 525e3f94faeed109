#include "textflag.h"

// MD5 (RFC 1321) of eight messages side by side: a vector has the same word of each. What
// differs between the instruction sets is how a step computes its round's function and rotates.
//
// Registers: AX BX CX DX SI DI R8 R9 are the lanes' bytes, R10 where the block begins in
// them, R11 how many blocks are left, R12 the state, R13 the constants. Y0 to Y3 are A to D,
// Y4 to Y11 what a step works with. The words of the block are on the stack.

// FOUR puts four words of each lane's block on the stack, one word of all lanes after another:
// a transposition of 4 by 4 in both halves of the vectors.
#define FOUR(at) \
	VMOVDQU (at)(AX)(R10*1), X4 \
	VMOVDQU (at)(BX)(R10*1), X5 \
	VMOVDQU (at)(CX)(R10*1), X6 \
	VMOVDQU (at)(DX)(R10*1), X7 \
	VINSERTI128 $1, (at)(SI)(R10*1), Y4, Y4 \
	VINSERTI128 $1, (at)(DI)(R10*1), Y5, Y5 \
	VINSERTI128 $1, (at)(R8)(R10*1), Y6, Y6 \
	VINSERTI128 $1, (at)(R9)(R10*1), Y7, Y7 \
	VPUNPCKLDQ Y5, Y4, Y8 \
	VPUNPCKHDQ Y5, Y4, Y9 \
	VPUNPCKLDQ Y7, Y6, Y10 \
	VPUNPCKHDQ Y7, Y6, Y11 \
	VPUNPCKLQDQ Y10, Y8, Y4 \
	VPUNPCKHQDQ Y10, Y8, Y5 \
	VPUNPCKLQDQ Y11, Y9, Y6 \
	VPUNPCKHQDQ Y11, Y9, Y7 \
	VMOVDQU Y4, (at*8)(SP) \
	VMOVDQU Y5, (at*8+32)(SP) \
	VMOVDQU Y6, (at*8+64)(SP) \
	VMOVDQU Y7, (at*8+96)(SP)

// STEP is step n, of word w: a = b + ((a + f(b, c, d) + word + constant) <<< s).
#define STEP(f, rotate, a, b, c, d, n, w, s) \
	VPBROADCASTD ((n)*4)(R13), Y5 \
	VPADDD (w*32)(SP), Y5, Y5 \
	VPADDD Y5, a, a \
	f(b, c, d) \
	VPADDD Y4, a, a \
	rotate(s, a) \
	VPADDD b, a, a

// STEPS are four of a round, of words w0 to w3.
#define STEPS(f, rotate, n, w0, s0, w1, s1, w2, s2, w3, s3) \
	STEP(f, rotate, Y0, Y1, Y2, Y3, n, w0, s0) \
	STEP(f, rotate, Y3, Y0, Y1, Y2, n+1, w1, s1) \
	STEP(f, rotate, Y2, Y3, Y0, Y1, n+2, w2, s2) \
	STEP(f, rotate, Y1, Y2, Y3, Y0, n+3, w3, s3)

#define BLOCK(f, g, h, i, rotate) \
	STEPS(f, rotate, 0, 0, 7, 1, 12, 2, 17, 3, 22) \
	STEPS(f, rotate, 4, 4, 7, 5, 12, 6, 17, 7, 22) \
	STEPS(f, rotate, 8, 8, 7, 9, 12, 10, 17, 11, 22) \
	STEPS(f, rotate, 12, 12, 7, 13, 12, 14, 17, 15, 22) \
	STEPS(g, rotate, 16, 1, 5, 6, 9, 11, 14, 0, 20) \
	STEPS(g, rotate, 20, 5, 5, 10, 9, 15, 14, 4, 20) \
	STEPS(g, rotate, 24, 9, 5, 14, 9, 3, 14, 8, 20) \
	STEPS(g, rotate, 28, 13, 5, 2, 9, 7, 14, 12, 20) \
	STEPS(h, rotate, 32, 5, 4, 8, 11, 11, 16, 14, 23) \
	STEPS(h, rotate, 36, 1, 4, 4, 11, 7, 16, 10, 23) \
	STEPS(h, rotate, 40, 13, 4, 0, 11, 3, 16, 6, 23) \
	STEPS(h, rotate, 44, 9, 4, 12, 11, 15, 16, 2, 23) \
	STEPS(i, rotate, 48, 0, 6, 7, 10, 14, 15, 5, 21) \
	STEPS(i, rotate, 52, 12, 6, 3, 10, 10, 15, 1, 21) \
	STEPS(i, rotate, 56, 8, 6, 15, 10, 6, 15, 13, 21) \
	STEPS(i, rotate, 60, 4, 6, 11, 10, 2, 15, 9, 21)

#define LOAD \
	MOVQ state+0(FP), R12 \
	MOVQ data+8(FP), R11 \
	MOVQ 0(R11), AX \
	MOVQ 8(R11), BX \
	MOVQ 16(R11), CX \
	MOVQ 24(R11), DX \
	MOVQ 32(R11), SI \
	MOVQ 40(R11), DI \
	MOVQ 48(R11), R8 \
	MOVQ 56(R11), R9 \
	MOVQ blocks+16(FP), R11 \
	MOVQ constants+24(FP), R13 \
	XORQ R10, R10 \
	VMOVDQU 0(R12), Y0 \
	VMOVDQU 32(R12), Y1 \
	VMOVDQU 64(R12), Y2 \
	VMOVDQU 96(R12), Y3

// NEXT adds the state of before the block.
#define NEXT \
	VPADDD 0(R12), Y0, Y0 \
	VPADDD 32(R12), Y1, Y1 \
	VPADDD 64(R12), Y2, Y2 \
	VPADDD 96(R12), Y3, Y3 \
	VMOVDQU Y0, 0(R12) \
	VMOVDQU Y1, 32(R12) \
	VMOVDQU Y2, 64(R12) \
	VMOVDQU Y3, 96(R12) \
	ADDQ $64, R10

// With AVX-512VL a function is one instruction, whose constant is its table of truth by
// b, c, d. b, which the step before has computed, is where the result goes: the
// other two operands take a cycle more on some processors.
#define F512(b, c, d) VMOVDQA b, Y4; VPTERNLOGD $0xca, d, c, Y4
#define G512(b, c, d) VMOVDQA b, Y4; VPTERNLOGD $0xe4, d, c, Y4
#define H512(b, c, d) VMOVDQA b, Y4; VPTERNLOGD $0x96, d, c, Y4
#define I512(b, c, d) VMOVDQA b, Y4; VPTERNLOGD $0x39, d, c, Y4
#define ROTATE512(s, a) VPROLD $s, a, a

// func blocksAVX512(state *[4][8]uint32, data *[8]*byte, blocks int, constants *[64]uint32)
TEXT ·blocksAVX512(SB), NOSPLIT, $512-32
	LOAD

loop:
	FOUR(0)
	FOUR(16)
	FOUR(32)
	FOUR(48)
	BLOCK(F512, G512, H512, I512, ROTATE512)
	NEXT
	DECQ R11
	JNZ  loop
	VZEROUPPER
	RET

// With AVX2: F is d ^ (b & (c ^ d)), G is c ^ (d & (b ^ c)), I is c ^ (b | ^d). Y7 is all ones.
#define F256(b, c, d) VPXOR c, d, Y4; VPAND b, Y4, Y4; VPXOR d, Y4, Y4
#define G256(b, c, d) VPXOR b, c, Y4; VPAND d, Y4, Y4; VPXOR c, Y4, Y4
#define H256(b, c, d) VPXOR c, d, Y4; VPXOR b, Y4, Y4
#define I256(b, c, d) VPXOR Y7, d, Y4; VPOR b, Y4, Y4; VPXOR c, Y4, Y4
#define ROTATE256(s, a) VPSLLD $s, a, Y6; VPSRLD $(32-s), a, a; VPOR Y6, a, a

// func blocksAVX2(state *[4][8]uint32, data *[8]*byte, blocks int, constants *[64]uint32)
TEXT ·blocksAVX2(SB), NOSPLIT, $512-32
	LOAD

loop:
	FOUR(0)
	FOUR(16)
	FOUR(32)
	FOUR(48)
	VPCMPEQD Y7, Y7, Y7
	BLOCK(F256, G256, H256, I256, ROTATE256)
	NEXT
	DECQ R11
	JNZ  loop
	VZEROUPPER
	RET
