#include "textflag.h"

// One row of a tile: broadcast a weight, multiply it with three vectors.
#define TILEROW(at, c0, c1, c2) \
	VBROADCASTSS at(AX), Y15 \
	VFMADD231PS  Y12, Y15, c0 \
	VFMADD231PS  Y13, Y15, c1 \
	VFMADD231PS  Y14, Y15, c2

// Loads the three vectors of one k, whose offset is at the place given.
#define TILELOAD(at) \
	MOVQ    at(BX), DX \
	VMOVUPS (R8)(DX*4), Y12 \
	VMOVUPS (R9)(DX*4), Y13 \
	VMOVUPS (R10)(DX*4), Y14

#define TILESTORE(c0, c1, c2) \
	VMOVUPS c0, (R8) \
	VMOVUPS c1, (R9) \
	VMOVUPS c2, (R10)

#define TILEADD(c0, c1, c2) \
	VADDPS (R8), c0, c0 \
	VADDPS (R9), c1, c1 \
	VADDPS (R10), c2, c2

#define TILENEXT \
	ADDQ SI, R8 \
	ADDQ SI, R9 \
	ADDQ SI, R10

// func tileAVX2(k int, a *float32, off *int, x *float32, in *[6]int, c *float32, out *[6]int, ldc int, add bool)
TEXT ·tileAVX2(SB), NOSPLIT, $0-65
	MOVQ k+0(FP), CX
	MOVQ a+8(FP), AX
	MOVQ off+16(FP), BX
	MOVQ x+24(FP), SI
	MOVQ in+32(FP), DX
	MOVQ 0(DX), R8
	MOVQ 8(DX), R9
	MOVQ 16(DX), R10
	LEAQ (SI)(R8*4), R8
	LEAQ (SI)(R9*4), R9
	LEAQ (SI)(R10*4), R10
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11
	SUBQ $2, CX
	JLT  last

loop:
	TILELOAD(0)
	TILEROW(0, Y0, Y1, Y2)
	TILEROW(4, Y3, Y4, Y5)
	TILEROW(8, Y6, Y7, Y8)
	TILEROW(12, Y9, Y10, Y11)
	TILELOAD(8)
	TILEROW(16, Y0, Y1, Y2)
	TILEROW(20, Y3, Y4, Y5)
	TILEROW(24, Y6, Y7, Y8)
	TILEROW(28, Y9, Y10, Y11)
	ADDQ $32, AX
	ADDQ $16, BX
	SUBQ $2, CX
	JGE  loop

last:
	ADDQ $2, CX
	JZ   store
	TILELOAD(0)
	TILEROW(0, Y0, Y1, Y2)
	TILEROW(4, Y3, Y4, Y5)
	TILEROW(8, Y6, Y7, Y8)
	TILEROW(12, Y9, Y10, Y11)

store:
	MOVQ c+40(FP), DI
	MOVQ out+48(FP), DX
	MOVQ 0(DX), R8
	MOVQ 8(DX), R9
	MOVQ 16(DX), R10
	LEAQ (DI)(R8*4), R8
	LEAQ (DI)(R9*4), R9
	LEAQ (DI)(R10*4), R10
	MOVQ ldc+56(FP), SI
	SHLQ $2, SI
	CMPB add+64(FP), $0
	JEQ  plain
	TILEADD(Y0, Y1, Y2)
	TILESTORE(Y0, Y1, Y2)
	TILENEXT
	TILEADD(Y3, Y4, Y5)
	TILESTORE(Y3, Y4, Y5)
	TILENEXT
	TILEADD(Y6, Y7, Y8)
	TILESTORE(Y6, Y7, Y8)
	TILENEXT
	TILEADD(Y9, Y10, Y11)
	TILESTORE(Y9, Y10, Y11)
	VZEROUPPER
	RET

plain:
	TILESTORE(Y0, Y1, Y2)
	TILENEXT
	TILESTORE(Y3, Y4, Y5)
	TILENEXT
	TILESTORE(Y6, Y7, Y8)
	TILENEXT
	TILESTORE(Y9, Y10, Y11)
	VZEROUPPER
	RET

// One row of dot products: load a vector, multiply it with three.
#define DOTSROW(base, c0, c1, c2) \
	VMOVUPS     (base)(DX*1), Y15 \
	VFMADD231PS Y12, Y15, c0 \
	VFMADD231PS Y13, Y15, c1 \
	VFMADD231PS Y14, Y15, c2

// Adds the lanes of four accumulators, one a row, to four elements of out.
#define DOTSSUM(r0, r1, r2, r3, at) \
	VHADDPS      r1, r0, Y12 \
	VHADDPS      r3, r2, Y13 \
	VHADDPS      Y13, Y12, Y12 \
	VEXTRACTF128 $1, Y12, X13 \
	VADDPS       X13, X12, X12 \
	VADDPS       at(DI), X12, X12 \
	VMOVUPS      X12, at(DI)

// func dotsAVX2(n, images int, a *float32, lda, strideA int, x *float32, off *[3]int, strideX int, out *float32)
TEXT ·dotsAVX2(SB), NOSPLIT, $0-72
	MOVQ images+8(FP), CX
	MOVQ a+16(FP), R8
	MOVQ lda+24(FP), SI
	LEAQ (R8)(SI*4), R9
	LEAQ (R9)(SI*4), R10
	LEAQ (R10)(SI*4), R11
	MOVQ x+40(FP), SI
	MOVQ off+48(FP), DX
	MOVQ 0(DX), AX
	MOVQ 8(DX), BX
	MOVQ 16(DX), DI
	LEAQ (SI)(AX*4), AX
	LEAQ (SI)(BX*4), BX
	LEAQ (SI)(DI*4), R12
	MOVQ n+0(FP), SI
	SHLQ $2, SI
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11
	MOVQ strideA+32(FP), R13
	SHLQ $2, R13
	MOVQ strideX+56(FP), DI
	SHLQ $2, DI

image:
	XORQ DX, DX

loop:
	VMOVUPS (AX)(DX*1), Y12
	VMOVUPS (BX)(DX*1), Y13
	VMOVUPS (R12)(DX*1), Y14
	DOTSROW(R8, Y0, Y1, Y2)
	DOTSROW(R9, Y3, Y4, Y5)
	DOTSROW(R10, Y6, Y7, Y8)
	DOTSROW(R11, Y9, Y10, Y11)
	ADDQ $32, DX
	CMPQ DX, SI
	JLT  loop
	ADDQ R13, R8
	ADDQ R13, R9
	ADDQ R13, R10
	ADDQ R13, R11
	ADDQ DI, AX
	ADDQ DI, BX
	ADDQ DI, R12
	DECQ CX
	JNZ  image

	MOVQ out+64(FP), DI
	DOTSSUM(Y0, Y3, Y6, Y9, 0)
	DOTSSUM(Y1, Y4, Y7, Y10, 16)
	DOTSSUM(Y2, Y5, Y8, Y11, 32)
	VZEROUPPER
	RET

// The reductions below leave eight partial sums: lane by lane over vectors
// 0, 2, 4 ... and 1, 3, 5 ..., then the two added.

// func sumAVX2(n int, x *float32, lanes *[8]float32)
TEXT ·sumAVX2(SB), NOSPLIT, $0-24
	MOVQ n+0(FP), CX
	MOVQ x+8(FP), SI
	MOVQ lanes+16(FP), DI
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	SUBQ $16, CX
	JLT  tail

loop:
	VADDPS (SI), Y0, Y0
	VADDPS 32(SI), Y1, Y1
	ADDQ $64, SI
	SUBQ $16, CX
	JGE  loop

tail:
	ADDQ $16, CX
	JZ   done
	VADDPS (SI), Y0, Y0

done:
	VADDPS  Y1, Y0, Y0
	VMOVUPS Y0, (DI)
	VZEROUPPER
	RET

// func deviationsAVX2(n int, x *float32, mean float32, lanes *[8]float32)
TEXT ·deviationsAVX2(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), CX
	MOVQ x+8(FP), SI
	VBROADCASTSS mean+16(FP), Y2
	MOVQ lanes+24(FP), DI
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	SUBQ $16, CX
	JLT  tail

loop:
	VMOVUPS (SI), Y3
	VMOVUPS 32(SI), Y4
	VSUBPS  Y2, Y3, Y3
	VSUBPS  Y2, Y4, Y4
	VFMADD231PS Y3, Y3, Y0
	VFMADD231PS Y4, Y4, Y1
	ADDQ $64, SI
	SUBQ $16, CX
	JGE  loop

tail:
	ADDQ $16, CX
	JZ   done
	VMOVUPS (SI), Y3
	VSUBPS  Y2, Y3, Y3
	VFMADD231PS Y3, Y3, Y0

done:
	VADDPS  Y1, Y0, Y0
	VMOVUPS Y0, (DI)
	VZEROUPPER
	RET

// func gradientSumsAVX2(n int, dy, z *float32, mean float32, lanes *[16]float32)
TEXT ·gradientSumsAVX2(SB), NOSPLIT, $0-40
	MOVQ n+0(FP), CX
	MOVQ dy+8(FP), SI
	MOVQ z+16(FP), BX
	VBROADCASTSS mean+24(FP), Y4
	MOVQ lanes+32(FP), DI
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	SUBQ $16, CX
	JLT  tail

loop:
	VMOVUPS (SI), Y5
	VMOVUPS 32(SI), Y6
	VMOVUPS (BX), Y7
	VMOVUPS 32(BX), Y8
	VSUBPS  Y4, Y7, Y7
	VSUBPS  Y4, Y8, Y8
	VADDPS  Y5, Y0, Y0
	VADDPS  Y6, Y1, Y1
	VFMADD231PS Y7, Y5, Y2
	VFMADD231PS Y8, Y6, Y3
	ADDQ $64, SI
	ADDQ $64, BX
	SUBQ $16, CX
	JGE  loop

tail:
	ADDQ $16, CX
	JZ   done
	VMOVUPS (SI), Y5
	VMOVUPS (BX), Y7
	VSUBPS  Y4, Y7, Y7
	VADDPS  Y5, Y0, Y0
	VFMADD231PS Y7, Y5, Y2

done:
	VADDPS  Y1, Y0, Y0
	VADDPS  Y3, Y2, Y2
	VMOVUPS Y0, (DI)
	VMOVUPS Y2, 32(DI)
	VZEROUPPER
	RET

// The maps below take n, a multiple of 8.

// func affineAVX2(n int, dst, x *float32, scale, shift float32)
TEXT ·affineAVX2(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ x+16(FP), SI
	VBROADCASTSS scale+24(FP), Y0
	VBROADCASTSS shift+28(FP), Y1

loop:
	VMOVUPS (SI), Y2
	VFMADD213PS Y1, Y0, Y2
	VMOVUPS Y2, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $8, CX
	JG   loop
	VZEROUPPER
	RET

// func addAffineAVX2(n int, dst, x *float32, scale, shift float32)
TEXT ·addAffineAVX2(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ x+16(FP), SI
	VBROADCASTSS scale+24(FP), Y0
	VBROADCASTSS shift+28(FP), Y1

loop:
	VMOVUPS (SI), Y2
	VFMADD213PS Y1, Y0, Y2
	VADDPS  (DI), Y2, Y2
	VMOVUPS Y2, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $8, CX
	JG   loop
	VZEROUPPER
	RET

// func addAVX2(n int, dst, x *float32)
TEXT ·addAVX2(SB), NOSPLIT, $0-24
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ x+16(FP), SI

loop:
	VMOVUPS (DI), Y0
	VADDPS  (SI), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $8, CX
	JG   loop
	VZEROUPPER
	RET

// func addWhereAVX2(n int, dst, x, mask *float32)
TEXT ·addWhereAVX2(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ x+16(FP), SI
	MOVQ mask+24(FP), BX
	VXORPS Y0, Y0, Y0

loop:
	VMOVUPS (BX), Y1
	VCMPPS  $0x1e, Y0, Y1, Y1
	VANDPS  (SI), Y1, Y1
	VADDPS  (DI), Y1, Y1
	VMOVUPS Y1, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	ADDQ $32, BX
	SUBQ $8, CX
	JG   loop
	VZEROUPPER
	RET

// func rectifyAVX2(n int, dst, x *float32)
TEXT ·rectifyAVX2(SB), NOSPLIT, $0-24
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ x+16(FP), SI
	VXORPS Y0, Y0, Y0

loop:
	// The instruction gives its last source if one is NaN, or both are zero.
	VMAXPS  (SI), Y0, Y1
	VMOVUPS Y1, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $8, CX
	JG   loop
	VZEROUPPER
	RET

// func zeroUnlessAVX2(n int, dst, mask *float32)
TEXT ·zeroUnlessAVX2(SB), NOSPLIT, $0-24
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ mask+16(FP), BX
	VXORPS Y0, Y0, Y0

loop:
	VMOVUPS (BX), Y1
	VCMPPS  $0x1e, Y0, Y1, Y1
	VANDPS  (DI), Y1, Y1
	VMOVUPS Y1, (DI)
	ADDQ $32, DI
	ADDQ $32, BX
	SUBQ $8, CX
	JG   loop
	VZEROUPPER
	RET

// func addThreeAVX2(n int, dst, a, b, c *float32)
TEXT ·addThreeAVX2(SB), NOSPLIT, $0-40
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ a+16(FP), SI
	MOVQ b+24(FP), BX
	MOVQ c+32(FP), DX

loop:
	VMOVUPS (SI), Y0
	VADDPS  (BX), Y0, Y0
	VADDPS  (DX), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	ADDQ $32, BX
	ADDQ $32, DX
	SUBQ $8, CX
	JG   loop
	VZEROUPPER
	RET

// func addProductAVX2(n int, dst, x, y *float32)
TEXT ·addProductAVX2(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ x+16(FP), SI
	MOVQ y+24(FP), BX

loop:
	VMOVUPS (SI), Y0
	VMOVUPS (DI), Y1
	VFMADD231PS (BX), Y0, Y1
	VMOVUPS Y1, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	ADDQ $32, BX
	SUBQ $8, CX
	JG   loop
	VZEROUPPER
	RET

// The two below walk rows of at least 8 elements. The last vector of a row ends
// with the row and may overlap the one before: writing twice does no harm.

// func padRowsAVX2(dst *float32, stride int, src *float32, rows, width int, floor float32)
TEXT ·padRowsAVX2(SB), NOSPLIT, $0-44
	MOVQ dst+0(FP), DI
	MOVQ stride+8(FP), R8
	MOVQ src+16(FP), SI
	MOVQ rows+24(FP), CX
	MOVQ width+32(FP), R9
	VBROADCASTSS floor+40(FP), Y0
	SHLQ $2, R8
	SHLQ $2, R9
	LEAQ -32(R9), R10

row:
	XORQ DX, DX

loop:
	VMAXPS  (SI)(DX*1), Y0, Y1
	VMOVUPS Y1, (DI)(DX*1)
	ADDQ $32, DX
	CMPQ DX, R10
	JLE  loop
	VMAXPS  (SI)(R10*1), Y0, Y1
	VMOVUPS Y1, (DI)(R10*1)
	ADDQ R9, SI
	ADDQ R8, DI
	DECQ CX
	JNZ  row
	VZEROUPPER
	RET

// func padCombineAVX2(dst *float32, stride int, dy, z *float32, rows, width int, a, b, c float32)
TEXT ·padCombineAVX2(SB), NOSPLIT, $0-60
	MOVQ dst+0(FP), DI
	MOVQ stride+8(FP), R8
	MOVQ dy+16(FP), SI
	MOVQ z+24(FP), BX
	MOVQ rows+32(FP), CX
	MOVQ width+40(FP), R9
	VBROADCASTSS a+48(FP), Y0
	VBROADCASTSS b+52(FP), Y1
	VBROADCASTSS c+56(FP), Y2
	SHLQ $2, R8
	SHLQ $2, R9
	LEAQ -32(R9), R10

row:
	XORQ DX, DX

loop:
	VMOVUPS (SI)(DX*1), Y3
	VFMADD213PS Y2, Y0, Y3
	VFMADD231PS (BX)(DX*1), Y1, Y3
	VMOVUPS Y3, (DI)(DX*1)
	ADDQ $32, DX
	CMPQ DX, R10
	JLE  loop
	VMOVUPS (SI)(R10*1), Y3
	VFMADD213PS Y2, Y0, Y3
	VFMADD231PS (BX)(R10*1), Y1, Y3
	VMOVUPS Y3, (DI)(R10*1)
	ADDQ R9, SI
	ADDQ R9, BX
	ADDQ R8, DI
	DECQ CX
	JNZ  row
	VZEROUPPER
	RET

// The two below lay out panels of a matrix product.

// func packColumnsAVX2(k int, dst, b *float32, ldb, step int)
// Copies 24 elements of each of k rows to places step elements apart.
TEXT ·packColumnsAVX2(SB), NOSPLIT, $0-40
	MOVQ k+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ b+16(FP), SI
	MOVQ ldb+24(FP), DX
	MOVQ step+32(FP), BX
	SHLQ $2, DX
	SHLQ $2, BX

loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS 64(SI), Y2
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	VMOVUPS Y2, 64(DI)
	ADDQ DX, SI
	ADDQ BX, DI
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func packRowsAVX2(k int, dst, a *float32, lda, step int)
// Turns four rows, four columns at a time: a column goes to four elements, the
// next to those step elements on. k is a multiple of 4.
TEXT ·packRowsAVX2(SB), NOSPLIT, $0-40
	MOVQ k+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ a+16(FP), R8
	MOVQ lda+24(FP), DX
	MOVQ step+32(FP), BX
	LEAQ (R8)(DX*4), R9
	LEAQ (R9)(DX*4), R10
	LEAQ (R10)(DX*4), R11
	SHLQ $2, BX

loop:
	VMOVUPS   (R8), X0
	VMOVUPS   (R9), X1
	VMOVUPS   (R10), X2
	VMOVUPS   (R11), X3
	VUNPCKLPS X1, X0, X4
	VUNPCKHPS X1, X0, X5
	VUNPCKLPS X3, X2, X6
	VUNPCKHPS X3, X2, X7
	VMOVLHPS  X6, X4, X0
	VMOVHLPS  X4, X6, X1
	VMOVLHPS  X7, X5, X2
	VMOVHLPS  X5, X7, X3
	VMOVUPS   X0, (DI)
	ADDQ BX, DI
	VMOVUPS   X1, (DI)
	ADDQ BX, DI
	VMOVUPS   X2, (DI)
	ADDQ BX, DI
	VMOVUPS   X3, (DI)
	ADDQ BX, DI
	ADDQ $16, R8
	ADDQ $16, R9
	ADDQ $16, R10
	ADDQ $16, R11
	SUBQ $4, CX
	JG   loop
	RET
