package kernel

// Plain returns the loops in plain Go. float64(x*y) keeps compilers for
// processors with fused multiply-add from using it, so that the bits are the
// same everywhere.
func Plain[T Float]() *Set[T] {
	return &Set[T]{
		Name: "go", Rows: plainRows, Vectors: plainVectors, Lanes: plainLanes, DotRows: plainRows,
		Tile: plainTile[T], Dots: plainDots[T],
		Sum: plainSum[T], SquaredDeviations: plainSquaredDeviations[T], GradientSums: plainGradientSums[T],
		Affine: plainAffine[T], AddAffine: plainAddAffine[T], Add: plainAdd[T], AddWhere: plainAddWhere[T],
		Rectify: plainRectify[T], ZeroUnless: plainZeroUnless[T], AddThree: plainAddThree[T], AddProduct: plainAddProduct[T],
		PadRows: plainPadRows[T], PadCombine: plainPadCombine[T], Descend: plainDescend[T],
		packColumns: plainPackColumns[T], packRows: plainPackRows[T],
	}
}

const (
	plainRows    = 4
	plainVectors = 3
	plainLanes   = 8
)

func plainTile[T Float](a []T, off []int, x []T, in *[MaxVectors]int, c []T, out *[MaxVectors]int, ldc int, add bool) {
	for v := range plainVectors {
		var sums [plainRows][plainLanes]T
		for k, o := range off {
			row := (*[plainLanes]T)(x[o+in[v]:])
			w := (*[plainRows]T)(a[k*plainRows:])
			for r := range sums {
				for l, e := range row {
					sums[r][l] += T(w[r] * e)
				}
			}
		}
		for r := range sums {
			to := c[r*ldc+out[v]:][:plainLanes]
			for l, s := range sums[r] {
				if add {
					s += to[l]
				}
				to[l] = s
			}
		}
	}
}

func plainDots[T Float](n, images int, a []T, lda, strideA int, x []T, off *[Shifts]int, strideX int, out []T) {
	for j, o := range off {
		for r := range plainRows {
			var sum T
			for i := range images {
				row, shifted := a[i*strideA+r*lda:][:n], x[i*strideX+o:][:n]
				for p, e := range row {
					sum += T(e * shifted[p])
				}
			}
			out[j*plainRows+r] += sum
		}
	}
}

func plainSum[T Float](x []T) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	return sum
}

func plainSquaredDeviations[T Float](x []T, mean T) float64 {
	var sum float64
	for _, v := range x {
		d := float64(v - mean)
		sum += float64(d * d)
	}
	return sum
}

func plainGradientSums[T Float](dy, z []T, mean T) (sum, product float64) {
	for i, d := range dy {
		sum += float64(d)
		product += float64(float64(d) * float64(z[i]-mean))
	}
	return sum, product
}

func plainAffine[T Float](dst, x []T, scale, shift T) {
	for i, v := range x[:len(dst)] {
		dst[i] = T(scale*v) + shift
	}
}

func plainAddAffine[T Float](dst, x []T, scale, shift T) {
	for i, v := range x[:len(dst)] {
		dst[i] += T(scale*v) + shift
	}
}

func plainAdd[T Float](dst, x []T) {
	for i, v := range x[:len(dst)] {
		dst[i] += v
	}
}

func plainAddWhere[T Float](dst, x, mask []T) {
	mask = mask[:len(dst)]
	for i, v := range x[:len(dst)] {
		if mask[i] > 0 {
			dst[i] += v
		}
	}
}

func plainRectify[T Float](dst, x []T) {
	for i, v := range x[:len(dst)] {
		dst[i] = rectified(v)
	}
}

func plainZeroUnless[T Float](dst, mask []T) {
	for i, v := range mask[:len(dst)] {
		if !(v > 0) {
			dst[i] = 0
		}
	}
}

// rectified keeps a NaN, so that a diverged training is seen.
func rectified[T Float](v T) T {
	if v < 0 {
		return 0
	}
	return v
}

func plainAddThree[T Float](dst, a, b, c []T) {
	b, c = b[:len(dst)], c[:len(dst)]
	for i, v := range a[:len(dst)] {
		dst[i] = v + b[i] + c[i]
	}
}

func plainAddProduct[T Float](dst, x, y []T) {
	y = y[:len(dst)]
	for i, v := range x[:len(dst)] {
		dst[i] += T(v * y[i])
	}
}

func plainPadRows[T Float](dst []T, stride int, src []T, rows, width int, rectify bool) {
	for r := range rows {
		to, from := dst[r*stride:][:width], src[r*width:][:width]
		if rectify {
			plainRectify(to, from)
		} else {
			copy(to, from)
		}
	}
}

func plainPadCombine[T Float](dst []T, stride int, dy, z []T, rows, width int, a, b, c T) {
	for r := range rows {
		to, d, e := dst[r*stride:][:width], dy[r*width:][:width], z[r*width:][:width]
		for i, v := range d {
			to[i] = T(a*v) + T(b*e[i]) + c
		}
	}
}

func plainDescend[T Float](w, g, v []T, rate, momentum, decay T, nesterov bool) {
	g, v = g[:len(w)], v[:len(w)]
	for i, p := range w {
		d := g[i] + T(decay*p)
		v[i] = T(momentum*v[i]) + d
		if nesterov {
			d += T(momentum * v[i])
		} else {
			d = v[i]
		}
		w[i] = p - T(rate*d)
	}
}

func plainPackColumns[T Float](dst, b []T, ldb, k int) {
	const width = plainVectors * plainLanes
	for l := range k {
		copy(dst[l*width:][:width], b[l*ldb:][:width])
	}
}

func plainPackRows[T Float](dst, a []T, lda, k int) {
	for r := range plainRows {
		for l, v := range a[r*lda:][:k] {
			dst[l*plainRows+r] = v
		}
	}
}
