package kernel

// Blocks of a matrix product: a panel of b of blockK x (Vectors Lanes) stays in
// the first cache, a block of a of blockM x blockK in the second.
const (
	blockM = 192
	blockK = 256
	blockN = 1536
)

// Gemm computes c = a b for row-major a (m x k), b (k x n), c (m x n).
func (s *Set[T]) Gemm(m, n, k int, a []T, lda int, b []T, ldb int, c []T, ldc int) {
	width := Vectors * s.Lanes
	off := make([]int, blockK)
	for i := range off {
		off[i] = i * width
	}
	packedB := make([]T, roundUp(min(n, blockN), width)*min(k, blockK))
	packedA := make([]T, roundUp(min(m, blockM), s.Rows)*min(k, blockK))
	var temp tileBuffer[T]
	for j := 0; j < n; j += blockN {
		nb := min(blockN, n-j)
		for l := 0; l < k; l += blockK {
			kb := min(blockK, k-l)
			packColumns(packedB, b[l*ldb+j:], ldb, kb, nb, width)
			for i := 0; i < m; i += blockM {
				mb := min(blockM, m-i)
				packPanels(packedA, a[i*lda+l:], lda, mb, kb, s.Rows)
				s.block(packedA, packedB, off[:kb], c[i*ldc+j:], mb, nb, ldc, l > 0, &temp)
			}
		}
	}
}

// block multiplies packed blocks of a and b.
func (s *Set[T]) block(a, b []T, off []int, c []T, m, n, ldc int, add bool, temp *tileBuffer[T]) {
	var at [Vectors]int
	for i := range at {
		at[i] = i * s.Lanes
	}
	width, depth := Vectors*s.Lanes, len(off)
	for j := 0; j < n; j += width {
		panel := b[j*depth:]
		for i := 0; i < m; i += s.Rows {
			rows, columns := min(s.Rows, m-i), min(width, n-j)
			to := c[i*ldc+j:]
			if rows == s.Rows && columns == width {
				s.Tile(a[i*depth:], off, panel, &at, to, &at, ldc, add)
				continue
			}
			s.edge(a[i*depth:], off, panel, &at, temp)
			for r := range rows {
				src, dst := temp[r*width:][:columns], to[r*ldc:][:columns]
				if add {
					plainAdd(dst, src)
				} else {
					copy(dst, src)
				}
			}
		}
	}
}

// packColumns copies b (k x n) into panels of width columns, zeros beyond n.
func packColumns[T Float](dst, b []T, ldb, k, n, width int) {
	for j := 0; j < n; j += width {
		columns := min(width, n-j)
		for l := range k {
			to := dst[j*k+l*width:][:width]
			copy(to, b[l*ldb+j:][:columns])
			clear(to[columns:])
		}
	}
}

// packPanels copies a (m x k) into panels of rows rows, zeros beyond m.
func packPanels[T Float](dst, a []T, lda, m, k, rows int) {
	for i := 0; i < m; i += rows {
		panel := dst[i*k:][:rows*k]
		for r := range rows {
			if i+r >= m {
				for l := range k {
					panel[l*rows+r] = 0
				}
				continue
			}
			for l, v := range a[(i+r)*lda:][:k] {
				panel[l*rows+r] = v
			}
		}
	}
}
