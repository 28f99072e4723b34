package adaproxy

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// problem is min ||A b - r||^2 / n + lambda ||b||, what is left of an adaptation when
// a and c are projected out.
type problem struct {
	z     *mat.Dense // n x width: X with column j times w_j
	y     []float64
	free  [][]float64 // orthonormal: what a and c span
	a     *mat.Dense  // z without that
	r     []float64   // y without that
	gram  [][]float64 // A'A
	right []float64   // A'r
	svd   *spectrum
}

// spectrum holds the singular values of A, and A'r in their right vectors' terms.
type spectrum struct {
	squares []float64  // of the singular values
	parts   []float64  // of A'r
	vectors *mat.Dense // right singular vectors, as columns
}

// newProblem prepares the adaptation of predictor w to the samples x with values y.
func newProblem(x *mat.Dense, w, y []float64) *problem {
	n, _ := x.Dims()
	p := &problem{z: mat.NewDense(n, width, nil), y: y}
	ones, sums := make([]float64, n), make([]float64, n)
	for i := range n {
		for j, v := range x.RawRowView(i) {
			p.z.Set(i, j, v*w[j])
			sums[i] += v * w[j]
		}
		ones[i] = 1
	}
	p.span(ones)
	p.span(sums)
	p.a, p.r = mat.NewDense(n, width, nil), p.project(y)
	for j := range width {
		p.a.SetCol(j, p.project(mat.Col(nil, j, p.z)))
	}
	right := mat.NewVecDense(width, nil)
	right.MulVec(p.a.T(), mat.NewVecDense(n, p.r))
	p.right = right.RawVector().Data
	return p
}

// span adds a vector to what is projected out, unless it lies in it already.
func (p *problem) span(v []float64) {
	before := math.Sqrt(dot(v, v))
	rest := p.project(v)
	after := math.Sqrt(dot(rest, rest))
	if !(after > 1e-10*before) {
		return
	}
	for i := range rest {
		rest[i] /= after
	}
	p.free = append(p.free, rest)
}

// project takes the free directions out of a vector, twice, so that what rounding
// left of them the first time goes, too.
func (p *problem) project(v []float64) []float64 {
	out := append([]float64(nil), v...)
	for range 2 {
		for _, q := range p.free {
			share := dot(q, out)
			for i := range out {
				out[i] -= share * q[i]
			}
		}
	}
	return out
}

// decompose computes the spectrum once.
func (p *problem) decompose() error {
	if p.svd != nil {
		return nil
	}
	var svd mat.SVD
	if !svd.Factorize(p.a, mat.SVDThin) {
		return errors.New("the singular values of an adaptation do not converge")
	}
	s := &spectrum{squares: svd.Values(nil), vectors: new(mat.Dense)}
	svd.VTo(s.vectors)
	var left mat.Dense
	svd.UTo(&left)
	for k, value := range s.squares {
		s.parts = append(s.parts, value*dot(mat.Col(nil, k, &left), p.r))
		s.squares[k] = value * value
	}
	p.svd = s
	return nil
}

// ridge is the solution of (A'A + m I) b = A'r in terms of the right vectors, and its
// length.
func (s *spectrum) ridge(m float64) (parts []float64, length float64) {
	parts = make([]float64, len(s.parts))
	for k, g := range s.parts {
		if g != 0 {
			parts[k] = g / (s.squares[k] + m)
		}
	}
	return parts, math.Sqrt(dot(parts, parts))
}

// euclidean solves for p = 2.
func (p *problem) euclidean(lambda float64) ([]float64, error) {
	if err := p.decompose(); err != nil {
		return nil, err
	}
	b := make([]float64, width)
	limit := float64(len(p.y)) * lambda / 2 // m ||b(m)|| at the solution
	if !(math.Sqrt(dot(p.svd.parts, p.svd.parts)) > limit) {
		return b, nil
	}
	// In logarithms, from far below any m that occurs to above: at m = infinity,
	// m ||b(m)|| is ||A'r||, which is beyond the limit.
	low, high := -700.0, 700.0
	for {
		middle := low + (high-low)/2
		if middle <= low || middle >= high {
			break
		}
		m := math.Exp(middle)
		if _, length := p.svd.ridge(m); m*length < limit {
			low = middle
		} else {
			high = middle
		}
	}
	parts, _ := p.svd.ridge(math.Exp(high))
	for j := range b {
		b[j] = dot(p.svd.vectors.RawRowView(j), parts)
	}
	return b, nil
}

const (
	gapTolerance = 1e-9      // of ||r||^2 / n
	sweepsAtOnce = 20        // between two looks at the gap
	maxSweeps    = 2_000_000 // of coordinate descent
)

// absolute solves for p = 1 from a start, which it overwrites.
func (p *problem) absolute(lambda float64, b []float64) error {
	if p.gram == nil {
		var gram mat.Dense
		gram.Mul(p.a.T(), p.a)
		for j := range width {
			p.gram = append(p.gram, gram.RawRowView(j))
		}
	}
	tolerance := gapTolerance * dot(p.r, p.r) / float64(len(p.y))
	limit := float64(len(p.y)) * lambda / 2
	for sweep := 0; ; sweep += sweepsAtOnce {
		if gap := p.gap(lambda, b); gap <= tolerance {
			return nil
		} else if sweep >= maxSweeps {
			return fmt.Errorf("coordinate descent at lambda = %v still has a gap of %v after %d sweeps, more than %v", lambda, gap, sweep, tolerance)
		}
		p.sweep(limit, b)
	}
}

// sweep minimises along each coordinate in turn, sweepsAtOnce times. slopes, A'(r - A
// b), is kept up to date where b changes, and made afresh at each call.
func (p *problem) sweep(limit float64, b []float64) {
	slopes := make([]float64, width)
	for j := range b {
		slopes[j] = p.right[j] - dot(p.gram[j], b)
	}
	for range sweepsAtOnce {
		for j := range b {
			own := p.gram[j][j]
			if own == 0 { // it changes nothing but the penalty
				b[j] = 0
				continue
			}
			rest := slopes[j] + own*b[j]
			next := 0.0
			switch {
			case rest > limit:
				next = (rest - limit) / own
			case rest < -limit:
				next = (rest + limit) / own
			}
			if step := next - b[j]; step != 0 {
				b[j] = next
				for k, v := range p.gram[j] {
					slopes[k] -= step * v
				}
			}
		}
	}
}

// gap is the distance of b's objective from a lower bound of the best one, the dual
// objective u'r - n ||u||^2 / 4 at u = 2 (r - A b) / n, scaled until no |A'u|
// exceeds lambda.
func (p *problem) gap(lambda float64, b []float64) float64 {
	n := float64(len(p.y))
	u := make([]float64, len(p.r))
	slopes := make([]float64, width) // A'u
	squares := 0.0
	for i, r := range p.r {
		row := p.a.RawRowView(i)
		rest := r - dot(row, b)
		squares += rest * rest
		u[i] = 2 * rest / n
		for j, v := range row {
			slopes[j] += v * u[i]
		}
	}
	steepest, norm := 0.0, 0.0
	for j := range b {
		steepest = max(steepest, math.Abs(slopes[j]))
		norm += math.Abs(b[j])
	}
	scale := 1.0
	if steepest > lambda {
		scale = lambda / steepest
	}
	dual := scale*dot(u, p.r) - n*scale*scale*dot(u, u)/4
	return squares/n + lambda*norm - dual
}

// predictor completes b by the best a and c: the adapted weights w o (a 1 + b), and c.
func (p *problem) predictor(w, b []float64) (weights []float64, c float64) {
	n := len(p.y)
	rest, sums := make([]float64, n), make([]float64, n)
	meanRest, meanSum := 0.0, 0.0
	for i := range rest {
		row := p.z.RawRowView(i)
		for _, v := range row {
			sums[i] += v
		}
		rest[i] = p.y[i] - dot(row, b)
		meanRest += rest[i] / float64(n)
		meanSum += sums[i] / float64(n)
	}
	over, under := 0.0, 0.0
	for i := range rest {
		over += (sums[i] - meanSum) * (rest[i] - meanRest)
		under += (sums[i] - meanSum) * (sums[i] - meanSum)
	}
	a := 0.0
	if len(p.free) > 1 { // else the proxy's predictor is constant on the samples
		a = over / under
	}
	weights = make([]float64, width)
	for j := range weights {
		weights[j] = w[j] * (a + b[j])
	}
	return weights, meanRest - a*meanSum
}
