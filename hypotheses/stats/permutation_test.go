package stats

import (
	"errors"
	"math"
	"slices"
	"testing"
)

func TestPermutationTest(t *testing.T) {
	cases := map[string]struct {
		x, y          []float64
		difference, p float64
	}{
		// 20 splits of 6 values: the two that separate them wholly.
		"separate": {[]float64{1, 2, 3}, []float64{4, 5, 6}, -3, 0.1},
		// {0,0} against {0,1}: of the 6 splits all differ by 1/2.
		"ties":  {[]float64{0, 0}, []float64{0, 1}, -0.5, 1},
		"equal": {[]float64{1, 1}, []float64{1, 1, 1}, 0, 1},
		"one":   {[]float64{10}, []float64{1, 2, 3}, 8, 0.25},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := PermutationTest(c.x, c.y, 1000, 1)
			if err != nil || !got.Exact || math.Abs(got.Difference-c.difference) > 1e-12 || math.Abs(got.P-c.p) > 1e-12 {
				t.Errorf("%+v, %v; want %v and p %v", got, err, c.difference, c.p)
			}
		})
	}
}

// TestPermutationTestDrawsLikeAll compares drawn splits with all of them.
func TestPermutationTestDrawsLikeAll(t *testing.T) {
	x := []float64{1.2, 0.7, 3.1, 2.2, 1.9, 2.8, 0.1}
	y := []float64{0.2, 1.1, 0.6, 1.4, 2.0, 0.3, 0.9}
	all, err := PermutationTest(x, y, 3432, 1)
	if err != nil || !all.Exact || all.Splits != 3432 {
		t.Fatalf("%+v, %v", all, err)
	}
	drawn, err := PermutationTest(x, y, 3431, 1)
	if err != nil || drawn.Exact {
		t.Fatalf("%+v, %v", drawn, err)
	}
	if standard := math.Sqrt(all.P * (1 - all.P) / 3431); math.Abs(drawn.P-all.P) > 4*standard {
		t.Errorf("drawn p %v, exact %v", drawn.P, all.P)
	}
}

func TestPermutationTestEdges(t *testing.T) {
	if _, err := PermutationTest([]float64{1}, []float64{2}, 0, 1); !errors.Is(err, ErrRange) {
		t.Errorf("no splits: %v", err)
	}
	for _, x := range [][]float64{nil, {math.NaN()}} {
		if got, err := PermutationTest(x, []float64{1}, 10, 1); err != nil || !math.IsNaN(got.P) {
			t.Errorf("%v: %+v, %v", x, got, err)
		}
	}
}

// TestBootstrapMeansIsTheBootstrap compares with one bootstrap a coordinate.
func TestBootstrapMeansIsTheBootstrap(t *testing.T) {
	points := [][]float64{{1, 10}, {2, 7}, {4, 1}, {8, 3}, {9, 9}}
	got, err := BootstrapMeans(points, 500, 42)
	if err != nil {
		t.Fatal(err)
	}
	for c := range 2 {
		want, err := Bootstrap(len(points), 500, 42, func(sample []int) float64 {
			sum := 0.0
			for _, i := range sample {
				sum += points[i][c]
			}
			return sum / float64(len(sample))
		})
		if err != nil || got[c] != want {
			t.Errorf("coordinate %d: %+v, want %+v (%v)", c, got[c], want, err)
		}
	}
	if none, err := BootstrapMeans(nil, 10, 1); err != nil || !slices.Equal(none, nil) {
		t.Errorf("no points: %v, %v", none, err)
	}
	if _, err := BootstrapMeans([][]float64{{1}, {1, 2}}, 10, 1); !errors.Is(err, ErrLength) {
		t.Errorf("ragged points: %v", err)
	}
	if _, err := BootstrapMeans(points, 0, 1); !errors.Is(err, ErrRange) {
		t.Errorf("no resamples: %v", err)
	}
}
