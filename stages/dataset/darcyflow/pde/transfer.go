package pde

// operator is a symmetric positive definite operator on the inner nodes of a
// square grid. Vectors hold the border, too, which stays zero.
type operator interface {
	residual(r, b, x []float64)
	smooth(x, b []float64, backward bool)
	row(i, j int) [9]float64 // in reading order
}

// transfer takes values between a grid and the next coarser one, whose inner
// node J is the finer grid's node 2J. Where the finer grid has an odd number of
// intervals, the coarser one's last interval is a short one.
//
// Interpolation is linear in each direction, by distance. The border of a
// coarser grid lies where the finer one's does.
type transfer struct {
	nf, nc   int
	before   []float64 // weight of coarse node J at fine node 2J-1
	after    []float64 // and at 2J+1
	position []float64 // of the coarse nodes
	rows     []float64 // work space: one fine or coarse row
}

// newTransfer coarsens a grid whose nodes lie at the given positions.
func newTransfer(position []float64) *transfer {
	nf := len(position)
	nc := nf/2 + 1
	t := &transfer{nf: nf, nc: nc, before: make([]float64, nc), after: make([]float64, nc), rows: make([]float64, nf)}
	for j := range nc {
		t.position = append(t.position, position[min(2*j, nf-1)])
	}
	for j := range nc - 1 {
		if k := 2*j + 1; k < nf-1 { // else both ends are neighbours in the finer grid
			left, right := t.position[j], t.position[j+1]
			t.after[j] = (right - position[k]) / (right - left)
			t.before[j+1] = (position[k] - left) / (right - left)
		}
	}
	return t
}

// restrict sets the coarse b to the transpose of interpolation times the fine r.
func (t *transfer) restrict(b, r []float64) {
	nf, nc := t.nf, t.nc
	for i := 1; i < nc-1; i++ {
		k := 2 * i
		above, here, below := r[(k-1)*nf:k*nf], r[k*nf:(k+1)*nf], r[(k+1)*nf:(k+2)*nf]
		p, q := t.before[i], t.after[i]
		sum := t.rows[:nf]
		for j := range sum {
			sum[j] = float64(p*above[j]) + here[j] + float64(q*below[j])
		}
		out := b[i*nc : (i+1)*nc]
		for j := 1; j < nc-1; j++ {
			out[j] = float64(t.before[j]*sum[2*j-1]) + sum[2*j] + float64(t.after[j]*sum[2*j+1])
		}
	}
}

// interpolate adds the coarse x to the fine y.
func (t *transfer) interpolate(y, x []float64) {
	nf, nc := t.nf, t.nc
	for i := 1; i < nf-1; i++ {
		c := i / 2
		source := x[c*nc : (c+1)*nc]
		if i%2 == 1 {
			next, p, q := x[(c+1)*nc:(c+2)*nc], t.after[c], t.before[c+1]
			mixed := t.rows[:nc]
			for j := range mixed {
				mixed[j] = float64(p*source[j]) + float64(q*next[j])
			}
			source = mixed
		}
		t.spread(y[i*nf:(i+1)*nf], source)
	}
}

// spread adds a row of coarse nodes to one of fine nodes.
func (t *transfer) spread(y, x []float64) {
	for j := range x[:len(x)-1] {
		k := 2 * j
		if j > 0 {
			y[k] += x[j]
		}
		if k+1 < len(y)-1 {
			y[k+1] += float64(t.after[j]*x[j]) + float64(t.before[j+1]*x[j+1])
		}
	}
}

// galerkin gives row (i, j) of transpose(P) A P. The node's basis function lives
// on 3 x 3 fine nodes, A takes it to 5 x 5, and the transpose of P back to 3 x 3.
func (t *transfer) galerkin(a operator, i, j int) [9]float64 {
	down := [3]float64{t.before[i], 1, t.after[i]}
	across := [3]float64{t.before[j], 1, t.after[j]}
	var patch [5][5]float64
	for di, p := range down {
		for dj, q := range across {
			w := p * q
			if w == 0 {
				continue // the border
			}
			for k, v := range a.row(2*i+di-1, 2*j+dj-1) {
				patch[di+k/3][dj+k%3] += float64(w * v)
			}
		}
	}
	var half [3][5]float64
	for k := range 5 {
		half[0][k], half[1][k], half[2][k] = t.gather(i, patch[0][k], patch[1][k], patch[2][k], patch[3][k], patch[4][k])
	}
	var out [9]float64
	for k, h := range half {
		out[3*k], out[3*k+1], out[3*k+2] = t.gather(j, h[0], h[1], h[2], h[3], h[4])
	}
	return out
}

// gather is the transpose of interpolation around coarse node j, from the five
// fine nodes 2j-2 to 2j+2 to the coarse nodes j-1, j, j+1.
func (t *transfer) gather(j int, a, b, c, d, e float64) (west, here, east float64) {
	west = a + float64(t.after[j-1]*b)
	here = float64(t.before[j]*b) + c + float64(t.after[j]*d)
	east = float64(t.before[j+1]*d) + e
	return west, here, east
}
