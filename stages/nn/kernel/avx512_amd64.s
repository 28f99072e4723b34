#include "textflag.h"

// A tile of 8 rows and 6 vectors of 8 lanes: two vectors share a register.

// One row: broadcast a weight, multiply it with three registers.
#define ROW(at, c0, c1, c2) \
	VBROADCASTSS at(AX), Z27 \
	VFMADD231PS  Z24, Z27, c0 \
	VFMADD231PS  Z25, Z27, c1 \
	VFMADD231PS  Z26, Z27, c2

#define ROWS \
	ROW(0, Z0, Z1, Z2) \
	ROW(4, Z3, Z4, Z5) \
	ROW(8, Z6, Z7, Z8) \
	ROW(12, Z9, Z10, Z11) \
	ROW(16, Z12, Z13, Z14) \
	ROW(20, Z15, Z16, Z17) \
	ROW(24, Z18, Z19, Z20) \
	ROW(28, Z21, Z22, Z23)

#define CLEAR \
	VPXORQ Z0, Z0, Z0 \
	VPXORQ Z1, Z1, Z1 \
	VPXORQ Z2, Z2, Z2 \
	VPXORQ Z3, Z3, Z3 \
	VPXORQ Z4, Z4, Z4 \
	VPXORQ Z5, Z5, Z5 \
	VPXORQ Z6, Z6, Z6 \
	VPXORQ Z7, Z7, Z7 \
	VPXORQ Z8, Z8, Z8 \
	VPXORQ Z9, Z9, Z9 \
	VPXORQ Z10, Z10, Z10 \
	VPXORQ Z11, Z11, Z11 \
	VPXORQ Z12, Z12, Z12 \
	VPXORQ Z13, Z13, Z13 \
	VPXORQ Z14, Z14, Z14 \
	VPXORQ Z15, Z15, Z15 \
	VPXORQ Z16, Z16, Z16 \
	VPXORQ Z17, Z17, Z17 \
	VPXORQ Z18, Z18, Z18 \
	VPXORQ Z19, Z19, Z19 \
	VPXORQ Z20, Z20, Z20 \
	VPXORQ Z21, Z21, Z21 \
	VPXORQ Z22, Z22, Z22 \
	VPXORQ Z23, Z23, Z23

// The addresses of six vectors: base plus the offsets at DX.
#define ADDRESSES(base) \
	MOVQ 0(DX), R8 \
	MOVQ 8(DX), R9 \
	MOVQ 16(DX), R10 \
	MOVQ 24(DX), R11 \
	MOVQ 32(DX), R12 \
	MOVQ 40(DX), R13 \
	LEAQ (base)(R8*4), R8 \
	LEAQ (base)(R9*4), R9 \
	LEAQ (base)(R10*4), R10 \
	LEAQ (base)(R11*4), R11 \
	LEAQ (base)(R12*4), R12 \
	LEAQ (base)(R13*4), R13

#define START \
	MOVQ k+0(FP), CX \
	MOVQ a+8(FP), AX \
	MOVQ off+16(FP), BX \
	MOVQ x+24(FP), SI \
	MOVQ in+32(FP), DX \
	ADDRESSES(SI) \
	CLEAR

#define STEP \
	ADDQ $32, AX \
	ADDQ $8, BX \
	DECQ CX

#define FINISH \
	MOVQ c+40(FP), DI \
	MOVQ out+48(FP), DX \
	ADDRESSES(DI) \
	MOVQ ldc+56(FP), SI \
	SHLQ $2, SI

#define NEXT \
	ADDQ SI, R8 \
	ADDQ SI, R9 \
	ADDQ SI, R10 \
	ADDQ SI, R11 \
	ADDQ SI, R12 \
	ADDQ SI, R13

// With pairs of vectors that lie one behind the other.

#define ADD(c0, c1, c2) \
	VADDPS (R8), c0, c0 \
	VADDPS (R10), c1, c1 \
	VADDPS (R12), c2, c2

#define STORE(c0, c1, c2) \
	VMOVUPS c0, (R8) \
	VMOVUPS c1, (R10) \
	VMOVUPS c2, (R12) \
	NEXT

// With vectors that lie anywhere.

#define ADDHALF(low, high, c) \
	VMOVUPS      (low), Y27 \
	VINSERTF64X4 $1, (high), Z27, Z27 \
	VADDPS       Z27, c, c

#define ADDHALVES(c0, c1, c2) \
	ADDHALF(R8, R9, c0) \
	ADDHALF(R10, R11, c1) \
	ADDHALF(R12, R13, c2)

#define STOREHALVES(c0, c1, c2, l0, l1, l2) \
	VMOVUPS       l0, (R8) \
	VEXTRACTF64X4 $1, c0, (R9) \
	VMOVUPS       l1, (R10) \
	VEXTRACTF64X4 $1, c1, (R11) \
	VMOVUPS       l2, (R12) \
	VEXTRACTF64X4 $1, c2, (R13) \
	NEXT

// func tileAVX512(k int, a *float32, off *int, x *float32, in *[6]int, c *float32, out *[6]int, ldc int, add bool)
TEXT ·tileAVX512(SB), NOSPLIT, $0-65
	START

loop:
	MOVQ    (BX), DX
	VMOVUPS (R8)(DX*4), Z24
	VMOVUPS (R10)(DX*4), Z25
	VMOVUPS (R12)(DX*4), Z26
	ROWS
	STEP
	JNZ     loop
	FINISH
	CMPB    add+64(FP), $0
	JEQ     plain
	ADD(Z0, Z1, Z2)
	STORE(Z0, Z1, Z2)
	ADD(Z3, Z4, Z5)
	STORE(Z3, Z4, Z5)
	ADD(Z6, Z7, Z8)
	STORE(Z6, Z7, Z8)
	ADD(Z9, Z10, Z11)
	STORE(Z9, Z10, Z11)
	ADD(Z12, Z13, Z14)
	STORE(Z12, Z13, Z14)
	ADD(Z15, Z16, Z17)
	STORE(Z15, Z16, Z17)
	ADD(Z18, Z19, Z20)
	STORE(Z18, Z19, Z20)
	ADD(Z21, Z22, Z23)
	STORE(Z21, Z22, Z23)
	VZEROUPPER
	RET

plain:
	STORE(Z0, Z1, Z2)
	STORE(Z3, Z4, Z5)
	STORE(Z6, Z7, Z8)
	STORE(Z9, Z10, Z11)
	STORE(Z12, Z13, Z14)
	STORE(Z15, Z16, Z17)
	STORE(Z18, Z19, Z20)
	STORE(Z21, Z22, Z23)
	VZEROUPPER
	RET

// func tileHalvesAVX512(k int, a *float32, off *int, x *float32, in *[6]int, c *float32, out *[6]int, ldc int, add bool)
TEXT ·tileHalvesAVX512(SB), NOSPLIT, $0-65
	START

loop:
	MOVQ         (BX), DX
	VMOVUPS      (R8)(DX*4), Y24
	VMOVUPS      (R10)(DX*4), Y25
	VMOVUPS      (R12)(DX*4), Y26
	VINSERTF64X4 $1, (R9)(DX*4), Z24, Z24
	VINSERTF64X4 $1, (R11)(DX*4), Z25, Z25
	VINSERTF64X4 $1, (R13)(DX*4), Z26, Z26
	ROWS
	STEP
	JNZ          loop
	FINISH
	CMPB         add+64(FP), $0
	JEQ          plain
	ADDHALVES(Z0, Z1, Z2)
	STOREHALVES(Z0, Z1, Z2, Y0, Y1, Y2)
	ADDHALVES(Z3, Z4, Z5)
	STOREHALVES(Z3, Z4, Z5, Y3, Y4, Y5)
	ADDHALVES(Z6, Z7, Z8)
	STOREHALVES(Z6, Z7, Z8, Y6, Y7, Y8)
	ADDHALVES(Z9, Z10, Z11)
	STOREHALVES(Z9, Z10, Z11, Y9, Y10, Y11)
	ADDHALVES(Z12, Z13, Z14)
	STOREHALVES(Z12, Z13, Z14, Y12, Y13, Y14)
	ADDHALVES(Z15, Z16, Z17)
	STOREHALVES(Z15, Z16, Z17, Y15, Y16, Y17)
	ADDHALVES(Z18, Z19, Z20)
	STOREHALVES(Z18, Z19, Z20, Y18, Y19, Y20)
	ADDHALVES(Z21, Z22, Z23)
	STOREHALVES(Z21, Z22, Z23, Y21, Y22, Y23)
	VZEROUPPER
	RET

plain:
	STOREHALVES(Z0, Z1, Z2, Y0, Y1, Y2)
	STOREHALVES(Z3, Z4, Z5, Y3, Y4, Y5)
	STOREHALVES(Z6, Z7, Z8, Y6, Y7, Y8)
	STOREHALVES(Z9, Z10, Z11, Y9, Y10, Y11)
	STOREHALVES(Z12, Z13, Z14, Y12, Y13, Y14)
	STOREHALVES(Z15, Z16, Z17, Y15, Y16, Y17)
	STOREHALVES(Z18, Z19, Z20, Y18, Y19, Y20)
	STOREHALVES(Z21, Z22, Z23, Y21, Y22, Y23)
	VZEROUPPER
	RET
