package pde

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"
)

// goldenCase is what NumPy and SciPy computed: see testdata/darcy.py.
type goldenCase struct {
	N            int       `json:"n"`
	Seed         uint64    `json:"seed"`
	Stride       int       `json:"stride"` // of the nodes that are kept
	High         int       `json:"high"`   // nodes where the field is not negative
	Field        []float64 `json:"field"`
	FieldNorm    float64   `json:"field_norm"`
	Solution     []float64 `json:"solution"`
	SolutionNorm float64   `json:"solution_norm"`
}

func goldens(t *testing.T) []goldenCase {
	raw, err := os.ReadFile("../testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []goldenCase
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// deviates are those of darcy.py.
func deviates(seed uint64, n int) []float64 {
	out := make([]float64, n*n)
	for k := range out {
		seed = seed*6364136223846793005 + 1442695040888963407
		out[k] = float64(seed>>33)/(1<<29) - 2
	}
	return out
}

func TestSciPy(t *testing.T) {
	for _, c := range goldens(t) {
		t.Run(fmt.Sprintf("side=%d", c.N), func(t *testing.T) {
			x := deviates(c.Seed, c.N)
			NewField(c.N).Transform(x)
			near(t, "field", c, x, c.Field, c.FieldNorm, 1e-12)
			high := 0
			for k, v := range x {
				x[k] = Low
				if v >= 0 {
					x[k] = High
					high++
				}
			}
			if high != c.High {
				t.Errorf("%d nodes are high, want %d", high, c.High)
			}
			u, _ := solve(t, c.N, x, filled(c.N, 1))
			near(t, "solution", c, u, c.Solution, c.SolutionNorm, 1e-9)
		})
	}
}

// near compares nodes and the norm, relative to the norm of them all.
func near(t *testing.T, what string, c goldenCase, got, want []float64, norm2, tolerance float64) {
	t.Helper()
	var kept []float64
	for i := 0; i < c.N; i += c.Stride {
		for j := 0; j < c.N; j += c.Stride {
			kept = append(kept, got[i*c.N+j])
		}
	}
	if len(kept) != len(want) {
		t.Fatalf("%s: %d nodes, want %d", what, len(kept), len(want))
	}
	sum := 0.0
	for k := range want {
		sum += (kept[k] - want[k]) * (kept[k] - want[k])
	}
	off := max(math.Sqrt(sum), math.Abs(norm(got)-norm2)) / norm2
	t.Logf("%s: off by %.2g", what, off)
	if !(off < tolerance) {
		t.Errorf("%s: off by %g relative to its norm, at most %g is allowed", what, off, tolerance)
	}
}
