package kernel

import (
	"math"

	"golang.org/x/sys/cpu"
)

//go:noescape
func tileAVX2(k int, a *float32, off *int, x *float32, in *[MaxVectors]int, c *float32, out *[MaxVectors]int, ldc int, add bool)

//go:noescape
func dotsAVX2(n, images int, a *float32, lda, strideA int, x *float32, off *[Shifts]int, strideX int, out *float32)

//go:noescape
func sumAVX2(n int, x *float32, lanes *[8]float32)

//go:noescape
func deviationsAVX2(n int, x *float32, mean float32, lanes *[8]float32)

//go:noescape
func gradientSumsAVX2(n int, dy, z *float32, mean float32, lanes *[16]float32)

//go:noescape
func affineAVX2(n int, dst, x *float32, scale, shift float32)

//go:noescape
func addAffineAVX2(n int, dst, x *float32, scale, shift float32)

//go:noescape
func addAVX2(n int, dst, x *float32)

//go:noescape
func addWhereAVX2(n int, dst, x, mask *float32)

//go:noescape
func rectifyAVX2(n int, dst, x *float32)

//go:noescape
func zeroUnlessAVX2(n int, dst, mask *float32)

//go:noescape
func addThreeAVX2(n int, dst, a, b, c *float32)

//go:noescape
func addProductAVX2(n int, dst, x, y *float32)

//go:noescape
func padRowsAVX2(dst *float32, stride int, src *float32, rows, width int, floor float32)

//go:noescape
func padCombineAVX2(dst *float32, stride int, dy, z *float32, rows, width int, a, b, c float32)

//go:noescape
func packColumnsAVX2(k int, dst, b *float32, ldb, step int)

//go:noescape
func packRowsAVX2(k int, dst, a *float32, lda, step int)

// avx2Set is the loops with vectors of 8 and fused multiply-add, or nil where
// the processor has none. Assembly walks the whole vectors, Go the rest.
func avx2Set() *Set[float32] {
	if !cpu.X86.HasAVX2 || !cpu.X86.HasFMA {
		return nil
	}
	s := Plain[float32]()
	s.Name = "avx2"
	s.Tile = func(a []float32, off []int, x []float32, in *[MaxVectors]int, c []float32, out *[MaxVectors]int, ldc int, add bool) {
		if len(off) > 0 {
			tileAVX2(len(off), &a[0], &off[0], &x[0], in, &c[0], out, ldc, add)
		}
	}
	s.Dots = func(n, images int, a []float32, lda, strideA int, x []float32, off *[Shifts]int, strideX int, out []float32) {
		if n > 0 && images > 0 {
			dotsAVX2(n, images, &a[0], lda, strideA, &x[0], off, strideX, &out[0])
		}
	}
	s.Sum, s.SquaredDeviations, s.GradientSums = sum, squaredDeviations, gradientSums
	s.Affine, s.AddAffine, s.Add, s.AddWhere = affine, addAffine, add, addWhere
	s.Rectify, s.ZeroUnless, s.AddThree, s.AddProduct = rectify, zeroUnless, addThree, addProduct
	s.PadRows, s.PadCombine = padRows, padCombine
	s.packColumns, s.packRows = packColumns24, packRows4
	return s
}

// whole is the number of elements in whole vectors.
func whole(n int) int { return n &^ 7 }

func sum(x []float32) float64 {
	n := whole(len(x))
	total := plainSum(x[n:])
	if n > 0 {
		var lanes [8]float32
		sumAVX2(n, &x[0], &lanes)
		total += plainSum(lanes[:])
	}
	return total
}

func squaredDeviations(x []float32, mean float32) float64 {
	n := whole(len(x))
	total := plainSquaredDeviations(x[n:], mean)
	if n > 0 {
		var lanes [8]float32
		deviationsAVX2(n, &x[0], mean, &lanes)
		total += plainSum(lanes[:])
	}
	return total
}

func gradientSums(dy, z []float32, mean float32) (sum, product float64) {
	n := whole(len(dy))
	sum, product = plainGradientSums(dy[n:], z[n:len(dy)], mean)
	if n > 0 {
		var lanes [16]float32
		gradientSumsAVX2(n, &dy[0], &z[0], mean, &lanes)
		sum += plainSum(lanes[:8])
		product += plainSum(lanes[8:])
	}
	return sum, product
}

func affine(dst, x []float32, scale, shift float32) {
	n := whole(len(dst))
	if n > 0 {
		x = x[:len(dst)]
		affineAVX2(n, &dst[0], &x[0], scale, shift)
	}
	plainAffine(dst[n:], x[n:], scale, shift)
}

func addAffine(dst, x []float32, scale, shift float32) {
	n := whole(len(dst))
	if n > 0 {
		x = x[:len(dst)]
		addAffineAVX2(n, &dst[0], &x[0], scale, shift)
	}
	plainAddAffine(dst[n:], x[n:], scale, shift)
}

func add(dst, x []float32) {
	n := whole(len(dst))
	if n > 0 {
		x = x[:len(dst)]
		addAVX2(n, &dst[0], &x[0])
	}
	plainAdd(dst[n:], x[n:])
}

func addWhere(dst, x, mask []float32) {
	n := whole(len(dst))
	if n > 0 {
		x, mask = x[:len(dst)], mask[:len(dst)]
		addWhereAVX2(n, &dst[0], &x[0], &mask[0])
	}
	plainAddWhere(dst[n:], x[n:], mask[n:])
}

func rectify(dst, x []float32) {
	n := whole(len(dst))
	if n > 0 {
		x = x[:len(dst)]
		rectifyAVX2(n, &dst[0], &x[0])
	}
	plainRectify(dst[n:], x[n:])
}

func zeroUnless(dst, mask []float32) {
	n := whole(len(dst))
	if n > 0 {
		mask = mask[:len(dst)]
		zeroUnlessAVX2(n, &dst[0], &mask[0])
	}
	plainZeroUnless(dst[n:], mask[n:])
}

func addThree(dst, a, b, c []float32) {
	n := whole(len(dst))
	if n > 0 {
		a, b, c = a[:len(dst)], b[:len(dst)], c[:len(dst)]
		addThreeAVX2(n, &dst[0], &a[0], &b[0], &c[0])
	}
	plainAddThree(dst[n:], a[n:], b[n:], c[n:])
}

func addProduct(dst, x, y []float32) {
	n := whole(len(dst))
	if n > 0 {
		x, y = x[:len(dst)], y[:len(dst)]
		addProductAVX2(n, &dst[0], &x[0], &y[0])
	}
	plainAddProduct(dst[n:], x[n:], y[n:])
}

func padRows(dst []float32, stride int, src []float32, rows, width int, rectify bool) {
	if width < 8 || rows == 0 {
		plainPadRows(dst, stride, src, rows, width, rectify)
		return
	}
	floor := float32(math.Inf(-1))
	if rectify {
		floor = 0
	}
	src, dst = src[:rows*width], dst[:(rows-1)*stride+width]
	padRowsAVX2(&dst[0], stride, &src[0], rows, width, floor)
}

func padCombine(dst []float32, stride int, dy, z []float32, rows, width int, a, b, c float32) {
	if width < 8 || rows == 0 {
		plainPadCombine(dst, stride, dy, z, rows, width, a, b, c)
		return
	}
	dy, z, dst = dy[:rows*width], z[:rows*width], dst[:(rows-1)*stride+width]
	padCombineAVX2(&dst[0], stride, &dy[0], &z[0], rows, width, a, b, c)
}

// packColumns24 is packColumns of a tile's width of 24, packColumns48 of 48.
func packColumns24(dst, b []float32, ldb, k int) {
	if k > 0 {
		dst, b = dst[:24*k], b[:(k-1)*ldb+24]
		packColumnsAVX2(k, &dst[0], &b[0], ldb, 24)
	}
}

func packColumns48(dst, b []float32, ldb, k int) {
	if k > 0 {
		dst, b = dst[:48*k], b[:(k-1)*ldb+48]
		packColumnsAVX2(k, &dst[0], &b[0], ldb, 48)
		packColumnsAVX2(k, &dst[24], &b[24], ldb, 48)
	}
}

// packRows4 is packRows of tiles of 4 rows, packRows8 of 8.
func packRows4(dst, a []float32, lda, k int) { packRowsOf(4, dst, a, lda, k) }
func packRows8(dst, a []float32, lda, k int) { packRowsOf(8, dst, a, lda, k) }

func packRowsOf(rows int, dst, a []float32, lda, k int) {
	n := k &^ 3
	dst, a = dst[:rows*k], a[:(rows-1)*lda+k]
	for r := 0; n > 0 && r < rows; r += 4 {
		packRowsAVX2(n, &dst[r], &a[r*lda], lda, rows)
	}
	for l := n; l < k; l++ {
		for r := range rows {
			dst[rows*l+r] = a[r*lda+l]
		}
	}
}
