package pde

import (
	"context"
	"fmt"
	"math"
)

// MinSide and MaxSide bound the nodes per side. Beyond the upper one, rounding a
// solution to float64 alone leaves a residual above Tolerance: it grows with the
// square of the side, and is 6e-11 at 2048.
const (
	MinSide = 3
	MaxSide = 2048
)

// Tolerance bounds the residual of every solution: the Euclidean norm of
// f + div(a grad u) over the inner nodes, relative to that of f.
const Tolerance = 1e-10

const (
	coarsest   = 9    // nodes per side at which the direct solver takes over
	reduction  = 1e-6 // of the residual by one round of conjugate gradients
	rounds     = 4    // 2 reach Tolerance
	iterations = 60   // of one round; contrast 4 takes about 8
)

// Solver solves by conjugate gradients, preconditioned by a multigrid V-cycle
// with Galerkin operators, in rounds of iterative refinement: each round solves
// for a correction of what is left, so that rounding does not add up.
type Solver struct {
	n      int
	fine   *fine
	levels []level
	direct *cholesky

	right, u, rest, change, p, ap, z []float64
}

// level is a grid of the multigrid hierarchy, finest first. The last has no
// transfer, and is solved directly.
type level struct {
	op      operator
	t       *transfer // to the next level
	x, b, r []float64
}

// NewSolver makes a solver for n x n nodes.
func NewSolver(n int) (*Solver, error) {
	if n < MinSide || n > MaxSide {
		return nil, fmt.Errorf("a grid has %d to %d nodes per side, not %d", MinSide, MaxSide, n)
	}
	s := &Solver{n: n, fine: newFine(n)}
	for _, v := range []*[]float64{&s.right, &s.u, &s.rest, &s.change, &s.p, &s.ap, &s.z} {
		*v = make([]float64, n*n)
	}
	s.levels = []level{{op: s.fine, r: make([]float64, n*n)}}
	position := make([]float64, n)
	for i := range position {
		position[i] = float64(i)
	}
	for len(position) > coarsest {
		t := newTransfer(position)
		s.levels[len(s.levels)-1].t = t
		position = t.position
		size := t.nc * t.nc
		s.levels = append(s.levels, level{
			op: newCoarse(t.nc), x: make([]float64, size), b: make([]float64, size), r: make([]float64, size),
		})
	}
	s.direct = newCholesky(len(position))
	return s, nil
}

// Solution says how a system was solved.
type Solution struct {
	Iterations int     // of conjugate gradients
	Residual   float64 // at most Tolerance
}

// Solve sets u to the solution for the coefficient a, which must be positive,
// and the right-hand side f: n*n nodal values each. Of f the border is not used.
func (s *Solver) Solve(ctx context.Context, u, a, f []float64) (Solution, error) {
	if err := s.set(a); err != nil {
		return Solution{}, err
	}
	h2 := 1 / float64((s.n-1)*(s.n-1))
	for i := 1; i < s.n-1; i++ {
		for k := i*s.n + 1; k < (i+1)*s.n-1; k++ {
			s.right[k] = h2 * f[k]
		}
	}
	clear(s.u)
	scale := norm(s.right)
	if scale == 0 {
		clear(u)
		return Solution{}, nil
	}
	out := Solution{Residual: 1}
	copy(s.rest, s.right)
	for range rounds {
		n, err := s.correct(ctx, max(reduction, Tolerance/4/out.Residual))
		if err != nil {
			return out, err
		}
		add(s.u, 1, s.change)
		s.fine.residual(s.rest, s.right, s.u)
		out.Iterations += n
		out.Residual = norm(s.rest) / scale
		if out.Residual < Tolerance {
			copy(u, s.u)
			return out, nil
		}
	}
	return out, fmt.Errorf("the solver did not converge: the residual is %.2g after %d iterations, %g is needed", out.Residual, out.Iterations, Tolerance)
}

// set takes a coefficient: operators of all levels, and the direct solver's factors.
func (s *Solver) set(a []float64) error {
	s.fine.set(a)
	for i := 1; i < len(s.levels); i++ {
		s.levels[i].op.(*coarse).set(s.levels[i-1].op, s.levels[i-1].t)
	}
	return s.direct.factor(s.levels[len(s.levels)-1].op)
}

// correct solves for s.change with the right-hand side s.rest, which it uses up,
// until the residual is less than within times what it was.
func (s *Solver) correct(ctx context.Context, within float64) (int, error) {
	clear(s.change)
	limit := within * norm(s.rest)
	s.precondition(s.z, s.rest)
	copy(s.p, s.z)
	rz := dot(s.rest, s.z)
	for n := 1; n <= iterations; n++ {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		s.fine.apply(s.ap, s.p)
		alpha := rz / dot(s.p, s.ap)
		if !(alpha > 0) || math.IsInf(alpha, 0) {
			return n, fmt.Errorf("the solver broke down: coefficients must be positive and finite")
		}
		add(s.change, alpha, s.p)
		add(s.rest, -alpha, s.ap)
		if norm(s.rest) <= limit {
			return n, nil
		}
		s.precondition(s.z, s.rest)
		next := dot(s.rest, s.z)
		beta := next / rz
		rz = next
		for k, z := range s.z {
			s.p[k] = z + float64(beta*s.p[k])
		}
	}
	return iterations, nil
}

// precondition sets z to one V-cycle for r.
func (s *Solver) precondition(z, r []float64) {
	s.levels[0].x, s.levels[0].b = z, r
	last := len(s.levels) - 1
	for i := range last {
		l, next := &s.levels[i], &s.levels[i+1]
		clear(l.x)
		l.op.smooth(l.x, l.b, false)
		l.op.residual(l.r, l.b, l.x)
		l.t.restrict(next.b, l.r)
	}
	s.direct.solve(s.levels[last].x, s.levels[last].b)
	for i := last - 1; i >= 0; i-- {
		l := &s.levels[i]
		l.t.interpolate(l.x, s.levels[i+1].x)
		l.op.smooth(l.x, l.b, true)
	}
}

func add(y []float64, factor float64, x []float64) {
	x = x[:len(y)]
	for k := range y {
		y[k] += float64(factor * x[k])
	}
}

// dot sums in four lanes, a fixed order.
func dot(x, y []float64) float64 {
	var a, b, c, d float64
	y = y[:len(x)]
	k := 0
	for ; k+4 <= len(x); k += 4 {
		a += float64(x[k] * y[k])
		b += float64(x[k+1] * y[k+1])
		c += float64(x[k+2] * y[k+2])
		d += float64(x[k+3] * y[k+3])
	}
	for ; k < len(x); k++ {
		a += float64(x[k] * y[k])
	}
	return (a + b) + (c + d)
}

func norm(x []float64) float64 { return math.Sqrt(dot(x, x)) }
