package stats

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// pairsGolden is what testdata/pairs.py writes.
type pairsGolden struct {
	Pairs map[string]struct {
		X, Y          []float64
		Mean, Greater float64
		TwoSided      float64 `json:"two_sided"`
	}
	Welch map[string]struct {
		X, Y                  []float64
		Difference, Low, High float64
	}
	Mean map[string]struct {
		X               []float64
		Mean, Low, High float64
		StdErr          float64 `json:"std_err"`
	}
	Student []struct{ P, Freedom, T float64 }
}

func readPairs(t *testing.T) (g pairsGolden) {
	t.Helper()
	raw, err := os.ReadFile("testdata/pairs.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func sameAs(t *testing.T, what string, got, want, relative float64) {
	t.Helper()
	if math.Abs(got-want) > relative*math.Max(math.Abs(want), 1e-300) {
		t.Errorf("%s = %v, SciPy says %v", what, got, want)
	}
}

func TestSignFlipsAgainstSciPy(t *testing.T) {
	for name, c := range readPairs(t).Pairs {
		d := make([]float64, len(c.X))
		for i := range d {
			d[i] = c.X[i] - c.Y[i]
		}
		got, err := SignFlipTest(d, 1<<20, 1)
		if err != nil || !got.Exact {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		sameAs(t, name+" mean", got.Mean, c.Mean, 1e-12)
		sameAs(t, name+" greater", got.Greater, c.Greater, 1e-12)
		sameAs(t, name+" two-sided", got.P, c.TwoSided, 1e-12)
	}
}

func TestStudentAgainstSciPy(t *testing.T) {
	g := readPairs(t)
	for _, c := range g.Student {
		got := StudentQuantile(c.P, c.Freedom)
		if math.Abs(got-c.T) > 1e-13*math.Max(1, math.Abs(c.T)) {
			t.Errorf("quantile %v of %v degrees of freedom = %v, mpmath says %v", c.P, c.Freedom, got, c.T)
		}
	}
	for name, c := range g.Mean {
		got := StudentMean(c.X)
		sameAs(t, name+" mean", got.Value, c.Mean, 1e-12)
		sameAs(t, name+" low", got.Low, c.Low, 1e-8)
		sameAs(t, name+" high", got.High, c.High, 1e-8)
		sameAs(t, name+" standard error", got.StdErr, c.StdErr, 1e-12)
	}
	for name, c := range g.Welch {
		got := WelchDifference(c.X, c.Y)
		sameAs(t, name+" difference", got.Value, c.Difference, 1e-8)
		sameAs(t, name+" low", got.Low, c.Low, 1e-8)
		sameAs(t, name+" high", got.High, c.High, 1e-8)
	}
}

// Drawn assignments come close to all of them.
func TestDrawnSignFlips(t *testing.T) {
	d := readPairs(t).Pairs["twelve"]
	diff := make([]float64, len(d.X))
	for i := range diff {
		diff[i] = d.X[i] - d.Y[i]
	}
	got, err := SignFlipTest(diff, 4000, 7)
	if err != nil || got.Exact || got.Flips != 4000 {
		t.Fatalf("%+v, %v", got, err)
	}
	if math.Abs(got.Greater-d.Greater) > 0.03 {
		t.Errorf("greater = %v by drawing, %v exactly", got.Greater, d.Greater)
	}
}

func TestPairsEdges(t *testing.T) {
	if got, err := SignFlipTest(nil, 10, 1); err != nil || !math.IsNaN(got.P) {
		t.Errorf("no pairs: %+v, %v", got, err)
	}
	if got, _ := SignFlipTest([]float64{1, math.NaN()}, 10, 1); !math.IsNaN(got.Greater) {
		t.Errorf("a NaN: %+v", got)
	}
	if got, _ := SignFlipTest([]float64{0, 0}, 10, 1); got.Greater != 1 || got.P != 1 {
		t.Errorf("no differences: %+v", got)
	}
	if _, err := SignFlipTest([]float64{1}, 0, 1); err == nil {
		t.Error("0 assignments were looked at")
	}
	if got := StudentMean([]float64{3}); got.Value != 3 || !math.IsNaN(got.Low) {
		t.Errorf("one value: %+v", got)
	}
	if got := StudentMean([]float64{3, 3}); got.Low != 3 || got.High != 3 {
		t.Errorf("two equal values: %+v", got)
	}
	if got := StudentQuantile(0.5, 3); math.Abs(got) > 1e-12 {
		t.Errorf("the median is %v", got)
	}
}
