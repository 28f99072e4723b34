package pde

// coarse is a Galerkin operator on a coarser grid: nine points, symmetric, held
// as one half of them.
type coarse struct {
	n         int
	inverse   []float64 // of the diagonal
	diagonal  []float64
	east      []float64 // (i, j) with (i, j+1)
	south     []float64 // (i, j) with (i+1, j)
	southEast []float64
	southWest []float64
}

func newCoarse(n int) *coarse {
	o := &coarse{n: n}
	for _, p := range []*[]float64{&o.inverse, &o.diagonal, &o.east, &o.south, &o.southEast, &o.southWest} {
		*p = make([]float64, n*n)
	}
	return o
}

// set makes the operator transpose(P) A P of a finer one, P being t's
// interpolation.
func (o *coarse) set(finer operator, t *transfer) {
	for i := 1; i < o.n-1; i++ {
		for j := 1; j < o.n-1; j++ {
			row := t.galerkin(finer, i, j)
			k := i*o.n + j
			o.diagonal[k], o.inverse[k] = row[4], 1/row[4]
			o.east[k], o.southWest[k], o.south[k], o.southEast[k] = row[5], row[6], row[7], row[8]
		}
	}
	// Rows of the border are not computed: nodes beside it couple to zeros.
}

// residual sets r to b minus the operator times x.
func (o *coarse) residual(r, b, x []float64) {
	n := o.n
	for i := 1; i < n-1; i++ {
		w := o.window(i, x)
		right, out, diagonal := b[i*n:(i+1)*n], r[i*n:(i+1)*n], o.diagonal[i*n:(i+1)*n]
		for j := 1; j < n-1; j++ {
			out[j] = right[j] - float64(diagonal[j]*w.here[j]) - w.neighbours(j)
		}
	}
}

// smooth is one Gauss-Seidel sweep over four colours, by the parities of row and
// column; backward in the opposite order, which is its transpose.
func (o *coarse) smooth(x, b []float64, backward bool) {
	for c := range 4 {
		if backward {
			c = 3 - c
		}
		o.relax(x, b, c/2, c%2)
	}
}

func (o *coarse) relax(x, b []float64, rows, columns int) {
	n := o.n
	for i := 1 + rows; i < n-1; i += 2 {
		w := o.window(i, x)
		right, inverse := b[i*n:(i+1)*n], o.inverse[i*n:(i+1)*n]
		for j := 1 + columns; j < n-1; j += 2 {
			w.here[j] = inverse[j] * (right[j] - w.neighbours(j))
		}
	}
}

// window is what a row of nodes sees.
type window struct {
	above, here, below                []float64 // values
	east, north, northEast, northWest []float64 // north* are the row above's south*
	south, southEast, southWest       []float64
}

func (o *coarse) window(i int, x []float64) window {
	n := o.n
	up, at, down := (i-1)*n, i*n, (i+1)*n
	return window{
		above: x[up:at], here: x[at:down], below: x[down : down+n],
		east: o.east[at:down], north: o.south[up:at], northEast: o.southWest[up:at], northWest: o.southEast[up:at],
		south: o.south[at:down], southEast: o.southEast[at:down], southWest: o.southWest[at:down],
	}
}

// neighbours sums the eight neighbours' parts of the operator times x.
func (w *window) neighbours(j int) float64 {
	sum := float64(w.east[j-1]*w.here[j-1]) + float64(w.east[j]*w.here[j+1])
	sum += float64(w.northWest[j-1]*w.above[j-1]) + float64(w.north[j]*w.above[j]) + float64(w.northEast[j+1]*w.above[j+1])
	return sum + (float64(w.southWest[j]*w.below[j-1]) + float64(w.south[j]*w.below[j]) + float64(w.southEast[j]*w.below[j+1]))
}

// row gives the operator's row of an inner node, in reading order.
func (o *coarse) row(i, j int) [9]float64 {
	k, n := i*o.n+j, o.n
	return [9]float64{
		o.southEast[k-n-1], o.south[k-n], o.southWest[k-n+1],
		o.east[k-1], o.diagonal[k], o.east[k],
		o.southWest[k], o.south[k], o.southEast[k],
	}
}
