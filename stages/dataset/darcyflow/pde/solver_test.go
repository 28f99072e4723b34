package pde

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
)

func solve(tb testing.TB, n int, a, f []float64) ([]float64, Solution) {
	tb.Helper()
	s, err := NewSolver(n)
	if err != nil {
		tb.Fatal(err)
	}
	u := make([]float64, n*n)
	got, err := s.Solve(tb.Context(), u, a, f)
	if err != nil {
		tb.Fatalf("%d nodes per side: %v", n, err)
	}
	return u, got
}

func filled(n int, v float64) []float64 {
	x := make([]float64, n*n)
	for k := range x {
		x[k] = v
	}
	return x
}

// The work must not grow with the grid, whatever the number of its intervals.
func TestIterations(t *testing.T) {
	sides := []int{3, 4, 5, 8, 9, 10, 11, 12, 17, 32, 33, 34, 48, 64, 65, 66, 85, 98, 100, 128, 129, 131, 140, 141, 142, 200, 211, 258}
	if !testing.Short() {
		sides = append(sides, 421, 422, 514, 600)
	}
	most := 0
	for _, n := range sides {
		field, a := NewField(n), make([]float64, n*n)
		for i := range uint64(3) {
			field.Coefficient(a, 777, i)
			_, got := solve(t, n, a, filled(n, 1))
			most = max(most, got.Iterations)
			t.Logf("%d: %d iterations, residual %.2g", n, got.Iterations, got.Residual)
			if got.Iterations > 24 || !(got.Residual < Tolerance) {
				t.Errorf("%d nodes per side, sample %d: %d iterations, residual %g", n, i, got.Iterations, got.Residual)
			}
		}
	}
	t.Log("at most", most)
}

// For constant a the finite-difference solution of a smooth problem is off by
// a term in h^2; on an eigenfunction it is known exactly.
func TestAnalytic(t *testing.T) {
	const a = 3.0
	var last float64
	for _, n := range []int{17, 33, 65, 129} {
		h := 1 / float64(n-1)
		f, want := make([]float64, n*n), make([]float64, n*n)
		for i := range n {
			for j := range n {
				x, y := float64(i)*h, float64(j)*h
				s := math.Sin(math.Pi*x) * math.Sin(2*math.Pi*y)
				want[i*n+j] = s
				f[i*n+j] = a * 5 * math.Pi * math.Pi * s
			}
		}
		u, _ := solve(t, n, filled(n, a), f)
		// sin is an eigenvector of second differences, too.
		discrete := 4 / (h * h) * (math.Pow(math.Sin(math.Pi*h/2), 2) + math.Pow(math.Sin(math.Pi*h), 2))
		worst, off := 0.0, 0.0
		for k := range u {
			worst = max(worst, math.Abs(u[k]-want[k]))
			off = max(off, math.Abs(u[k]-want[k]*5*math.Pi*math.Pi/discrete))
		}
		if off > 1e-9 {
			t.Errorf("n = %d: %g from the discrete solution", n, off)
		}
		if ratio := last / worst; last > 0 && (ratio < 3.9 || ratio > 4.1) {
			t.Errorf("n = %d: the error falls by %g as h is halved, not by 4", n, ratio)
		}
		last = worst
	}
}

func BenchmarkSample(b *testing.B) {
	for _, n := range []int{32, 85, 141, 421} {
		b.Run(fmt.Sprintf("side=%d", n), func(b *testing.B) {
			field, a, u, f := NewField(n), make([]float64, n*n), make([]float64, n*n), filled(n, 1)
			s, err := NewSolver(n)
			if err != nil {
				b.Fatal(err)
			}
			i, total := uint64(0), 0
			for b.Loop() {
				field.Coefficient(a, 777, i)
				got, err := s.Solve(context.Background(), u, a, f)
				if err != nil {
					b.Fatal(err)
				}
				i++
				total += got.Iterations
			}
			b.ReportMetric(float64(total)/float64(i), "iterations/sample")
		})
	}
}

// Work space that was used before leaves no trace in a sample.
func TestReuse(t *testing.T) {
	const n = 46
	field, a, u, f := NewField(n), make([]float64, n*n), make([]float64, n*n), filled(n, 1)
	s, err := NewSolver(n)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(4) {
		field.Coefficient(a, 9, i)
		if _, err := s.Solve(t.Context(), u, a, f); err != nil {
			t.Fatal(err)
		}
	}
	// A gigabyte of garbage for a set would be memory that no estimate knows.
	if garbage := testing.AllocsPerRun(3, func() { _, _ = s.Solve(t.Context(), u, a, f) }); garbage > 10 {
		t.Errorf("%v allocations for a solution", garbage)
	}
	fresh := make([]float64, n*n)
	NewField(n).Coefficient(fresh, 9, 3)
	if !slices.Equal(a, fresh) {
		t.Error("the coefficient of sample 3 depends on those before")
	}
	if alone, _ := solve(t, n, fresh, f); !slices.Equal(u, alone) {
		t.Error("the solution of sample 3 depends on those before")
	}
}

// Conjugate gradients need a symmetric preconditioner; the solution's energy,
// summed over faces, is the work of the right-hand side.
func TestSymmetry(t *testing.T) {
	for _, n := range []int{9, 20, 33, 38, 65} {
		s, err := NewSolver(n)
		if err != nil {
			t.Fatal(err)
		}
		a, x, y := make([]float64, n*n), inner(n, 1), inner(n, 2)
		NewField(n).Coefficient(a, 3, 0)
		if err := s.set(a); err != nil {
			t.Fatal(err)
		}
		mx, my := make([]float64, n*n), make([]float64, n*n)
		s.precondition(mx, x)
		s.precondition(my, y)
		if p, q := dot(mx, y), dot(x, my); math.Abs(p-q) > 1e-13*norm(mx)*norm(y) {
			t.Errorf("n = %d: the V-cycle is not symmetric: %v and %v", n, p, q)
		}
		u, _ := solve(t, n, a, filled(n, 1))
		energy, work := 0.0, 0.0
		for i := range n - 1 {
			for j := range n - 1 {
				k := i*n + j
				energy += s.fine.east[k]*math.Pow(u[k+1]-u[k], 2) + s.fine.south[k]*math.Pow(u[k+n]-u[k], 2)
				work += u[k] / float64((n-1)*(n-1))
			}
		}
		if math.Abs(energy/work-1) > 1e-9 {
			t.Errorf("n = %d: energy %v, work %v", n, energy, work)
		}
	}
}

// inner are numbers on the inner nodes, zeros on the border.
func inner(n int, seed uint64) []float64 {
	x := deviates(seed, n)
	for i := range n {
		x[i], x[(n-1)*n+i], x[i*n], x[i*n+n-1] = 0, 0, 0, 0
	}
	return x
}

func TestBadCoefficients(t *testing.T) {
	for _, n := range []int{5, 9, 40} {
		for name, v := range map[string]float64{"zero": 0, "negative": -3, "not a number": math.NaN(), "infinite": math.Inf(1)} {
			s, err := NewSolver(n)
			if err != nil {
				t.Fatal(err)
			}
			a := filled(n, 3)
			for k := n * n / 2; k < n*n; k++ {
				a[k] = v
			}
			if got, err := s.Solve(t.Context(), make([]float64, n*n), a, filled(n, 1)); err == nil {
				t.Errorf("n = %d, %s: solved, %+v", n, name, got)
			}
		}
	}
	for _, n := range []int{-1, 0, 2, MaxSide + 1} {
		if _, err := NewSolver(n); err == nil {
			t.Errorf("a solver for %d nodes per side", n)
		}
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := NewSolver(20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Solve(ctx, make([]float64, 400), filled(20, 3), filled(20, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

func TestNoSource(t *testing.T) {
	u, got := solve(t, 10, filled(10, 3), filled(10, 0))
	if norm(u) != 0 || got.Iterations != 0 {
		t.Errorf("u has norm %v after %d iterations", norm(u), got.Iterations)
	}
}
