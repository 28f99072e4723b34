package kernel

// Blocks of a matrix product: a panel of b of blockK x (Vectors Lanes) stays in
// the first cache, a block of a of blockM x blockK in the second.
const (
	blockM = 192
	blockK = 256
	blockN = 1536
)

// Product multiplies matrices. It keeps its working memory from one product to
// the next, and serves one goroutine.
type Product[T Float] struct {
	set     *Set[T]
	off     []int
	packedA []T
	packedB []T
	temp    tileBuffer[T]
}

// NewProduct returns a Product with the set's loops.
func NewProduct[T Float](set *Set[T]) *Product[T] {
	p := &Product[T]{set: set, off: make([]int, blockK)}
	for i := range p.off {
		p.off[i] = i * set.Vectors * set.Lanes
	}
	return p
}

// Gemm computes c = a b for row-major a (m x k), b (k x n), c (m x n).
func (p *Product[T]) Gemm(m, n, k int, a []T, lda int, b []T, ldb int, c []T, ldc int) {
	s, width := p.set, p.set.Vectors*p.set.Lanes
	p.packedB = room(p.packedB, roundUp(min(n, blockN), width)*min(k, blockK))
	p.packedA = room(p.packedA, roundUp(min(m, blockM), s.Rows)*min(k, blockK))
	for j := 0; j < n; j += blockN {
		nb := min(blockN, n-j)
		for l := 0; l < k; l += blockK {
			kb := min(blockK, k-l)
			s.panelsOfColumns(p.packedB, b[l*ldb+j:], ldb, kb, nb, width)
			for i := 0; i < m; i += blockM {
				mb := min(blockM, m-i)
				s.panelsOfRows(p.packedA, a[i*lda+l:], lda, mb, kb)
				s.block(p.packedA, p.packedB, p.off[:kb], c[i*ldc+j:], mb, nb, ldc, l > 0, &p.temp)
			}
		}
	}
}

// room returns a slice of n elements of any content, reusing memory.
func room[T Float](buf []T, n int) []T {
	if cap(buf) < n {
		return make([]T, n)
	}
	return buf[:n]
}

// block multiplies packed blocks of a and b.
func (s *Set[T]) block(a, b []T, off []int, c []T, m, n, ldc int, add bool, temp *tileBuffer[T]) {
	s.places(temp)
	width, depth := s.Vectors*s.Lanes, len(off)
	for j := 0; j < n; j += width {
		panel := b[j*depth:]
		for i := 0; i < m; i += s.Rows {
			rows, columns := min(s.Rows, m-i), min(width, n-j)
			to := c[i*ldc+j:]
			if rows == s.Rows && columns == width {
				s.Tile(a[i*depth:], off, panel, &temp.at, to, &temp.at, ldc, add)
				continue
			}
			s.edge(a[i*depth:], off, panel, &temp.at, temp)
			for r := range rows {
				src, dst := temp.tile[r*width:][:columns], to[r*ldc:][:columns]
				if add {
					plainAdd(dst, src)
				} else {
					copy(dst, src)
				}
			}
		}
	}
}

// panelsOfColumns copies b (k x n) into panels of width columns, zeros beyond n.
func (s *Set[T]) panelsOfColumns(dst, b []T, ldb, k, n, width int) {
	for j := 0; j < n; j += width {
		panel := dst[j*k:][:width*k]
		columns := min(width, n-j)
		if columns == width {
			s.packColumns(panel, b[j:], ldb, k)
			continue
		}
		clear(panel)
		for l := range k {
			copy(panel[l*width:], b[l*ldb+j:][:columns])
		}
	}
}

// panelsOfRows turns a (m x k) into panels of s.Rows rows, zeros beyond m.
func (s *Set[T]) panelsOfRows(dst, a []T, lda, m, k int) {
	for i := 0; i < m; i += s.Rows {
		panel := dst[i*k:][:s.Rows*k]
		if i+s.Rows <= m {
			s.packRows(panel, a[i*lda:], lda, k)
			continue
		}
		clear(panel)
		for r := range m - i {
			for l, v := range a[(i+r)*lda:][:k] {
				panel[l*s.Rows+r] = v
			}
		}
	}
}
