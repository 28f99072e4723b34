package kernel

// grid says where the vectors of a product lie: the input's offset of each,
// the output's, and how many of its lanes count.
type grid struct {
	in, out []int
	lanes   []int
}

// rows lays vectors over rows of width elements that lie inStride and
// outStride apart. The last vector of a row may have fewer lanes.
func (g *grid) rows(in, out, rows, width, inStride, outStride, lanes int) {
	for r := range rows {
		for x := 0; x < width; x += lanes {
			g.in = append(g.in, in+r*inStride+x)
			g.out = append(g.out, out+r*outStride+x)
			g.lanes = append(g.lanes, min(lanes, width-x))
		}
	}
}

// blockDepth is how many products a tile sums before the next block of the
// depth is added: the input's lines of one block stay in the first cache.
const blockDepth = 288

// tileBuffer is room for one tile of any Set, and for where its vectors lie:
// what is handed to a Set's loops cannot stay on the stack.
type tileBuffer[T Float] struct {
	tile        [8 * MaxVectors * 8]T
	in, out, at [MaxVectors]int
	off         [Shifts]int
}

// multiply computes c[row ldc + out + lane] = sum over k of a x over the first
// vectors of the grid; a is packed by pack, and has len(off) products deep
// panels. c is overwritten.
func (s *Set[T]) multiply(a []T, off []int, x []T, g *grid, vectors int, c []T, rows, ldc int, temp *tileBuffer[T]) {
	depth := len(off)
	for lo := 0; lo < depth; lo += blockDepth {
		part := off[lo:min(lo+blockDepth, depth)]
		for v := 0; v < vectors; v += s.Vectors {
			whole := v+s.Vectors <= vectors
			for i := range s.Vectors {
				j := min(v+i, vectors-1)
				temp.in[i], temp.out[i] = g.in[j], g.out[j]
				whole = whole && g.lanes[j] == s.Lanes
			}
			for row := 0; row < rows; row += s.Rows {
				panel := a[(row/s.Rows*depth+lo)*s.Rows:]
				if whole && row+s.Rows <= rows {
					s.Tile(panel, part, x, &temp.in, c[row*ldc:], &temp.out, ldc, lo > 0)
					continue
				}
				s.edge(panel, part, x, &temp.in, temp)
				s.spread(temp, g, v, min(v+s.Vectors, vectors), c[row*ldc:], min(s.Rows, rows-row), ldc, lo > 0)
			}
		}
	}
}

// edge computes a tile into temp: not all of it may be written.
func (s *Set[T]) edge(a []T, off []int, x []T, in *[MaxVectors]int, temp *tileBuffer[T]) {
	s.places(temp)
	s.Tile(a, off, x, in, temp.tile[:], &temp.at, s.Vectors*s.Lanes, false)
}

// places notes where vectors lie that follow each other.
func (s *Set[T]) places(temp *tileBuffer[T]) {
	for i := range temp.at {
		temp.at[i] = i * s.Lanes
	}
}

// spread writes the lanes of temp that count.
func (s *Set[T]) spread(temp *tileBuffer[T], g *grid, from, to int, c []T, rows, ldc int, add bool) {
	for r := range rows {
		for v := from; v < to; v++ {
			src := temp.tile[(r*s.Vectors+v-from)*s.Lanes:][:g.lanes[v]]
			dst := c[r*ldc+g.out[v]:][:g.lanes[v]]
			if add {
				plainAdd(dst, src)
			} else {
				copy(dst, src)
			}
		}
	}
}

// pack lays a matrix of rows x depth out in panels of s.Rows rows: element
// (row, k) is at (row/Rows depth + k) Rows + row mod Rows. Missing rows are 0.
func (s *Set[T]) pack(dst []T, rows, depth int, element func(row, k int) T) []T {
	n := (rows + s.Rows - 1) / s.Rows * s.Rows * depth
	if cap(dst) < n {
		dst = make([]T, n)
	}
	dst = dst[:n]
	clear(dst)
	for row := range rows {
		panel := dst[row/s.Rows*s.Rows*depth+row%s.Rows:]
		for k := range depth {
			panel[k*s.Rows] = element(row, k)
		}
	}
	return dst
}

// roundUp returns the smallest multiple of m that is at least n.
func roundUp(n, m int) int { return (n + m - 1) / m * m }
