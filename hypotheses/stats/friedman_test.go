package stats

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"testing"
)

// rangesGolden is what testdata/ranges.py writes.
type rangesGolden struct {
	Friedman map[string]struct {
		Blocks       [][]float64
		Statistic, P number
		Log10P       number    `json:"log10_p"`
		MeanRanks    []float64 `json:"mean_ranks"`
	}
	Range []struct {
		Groups  int
		Freedom number
		Q, CDF  float64
	}
	Quantiles []struct {
		Groups  int
		Freedom number
		P, Q    float64
	}
	Tails []struct {
		Groups  int
		Freedom number
		Q       float64
		Log10P  number `json:"log10_p"`
	}
	Tables []struct {
		Groups int
		Q      float64
	}
}

func readRanges(t *testing.T) (g rangesGolden) {
	t.Helper()
	readJSON(t, "testdata/ranges.json", &g)
	return g
}

func readJSON(t *testing.T, path string, to any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, to); err != nil {
		t.Fatal(err)
	}
}

func TestFriedmanAgainstSciPy(t *testing.T) {
	for name, c := range readRanges(t).Friedman {
		got, err := FriedmanTest(c.Blocks)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkNear(t, name+" statistic", got.Statistic, float64(c.Statistic), 1e-12)
		checkTail(t, name, got.P, got.Log10P, float64(c.P), float64(c.Log10P))
		for j, want := range c.MeanRanks {
			checkNear(t, name+" mean rank", got.MeanRanks[j], want, 1e-12)
		}
	}
}

// checkTail holds a p-value to a relative 1e-6, and below 1e-300 its logarithm.
func checkTail(t *testing.T, what string, p, log10P, wantP, wantLog float64) {
	t.Helper()
	if !relative(p, wantP, 1e-6) && wantP > 1e-300 {
		t.Errorf("%s: p = %.12g, want %.12g", what, p, wantP)
	}
	if !relative(log10P, wantLog, 1e-6) && math.Abs(log10P-wantLog) > 1e-9 {
		t.Errorf("%s: log10 p = %.12g, want %.12g", what, log10P, wantLog)
	}
}

func TestStudentisedRangeAgainstSciPy(t *testing.T) {
	g := readRanges(t)
	for _, c := range g.Range {
		d := StudentisedRange{Groups: c.Groups, Freedom: float64(c.Freedom)}
		// SciPy's quadrature has an absolute error of about 1e-11.
		if got := d.CDF(c.Q); math.Abs(got-c.CDF) > 1e-6*c.CDF+2e-11 {
			t.Errorf("%+v: CDF(%v) = %.12g, SciPy says %.12g", d, c.Q, got, c.CDF)
		}
	}
	for _, c := range g.Quantiles {
		d := StudentisedRange{Groups: c.Groups, Freedom: float64(c.Freedom)}
		if got := d.Quantile(c.P); !relative(got, c.Q, 1e-6) {
			t.Errorf("%+v: Quantile(%v) = %.12g, SciPy says %.12g", d, c.P, got, c.Q)
		}
	}
}

func TestStudentisedTailsAgainstMpmath(t *testing.T) {
	for _, c := range readRanges(t).Tails {
		d := StudentisedRange{Groups: c.Groups, Freedom: float64(c.Freedom)}
		p, got := d.Tail(c.Q)
		want := float64(c.Log10P)
		if !relative(got, want, 1e-11) && math.Abs(got-want) > 1e-11 {
			t.Errorf("%+v: log10 P[Q >= %v] = %.15g, mpmath says %.15g", d, c.Q, got, want)
		}
		if !relative(p, math.Pow(10, got), 1e-11) {
			t.Errorf("%+v: p = %v, log10 p = %v", d, p, got)
		}
	}
}

// The printed quantiles have three digits.
func TestNemenyiAgainstTables(t *testing.T) {
	for _, c := range readRanges(t).Tables {
		f := Friedman{Blocks: 14, Treatments: c.Groups, MeanRanks: make([]float64, c.Groups)}
		r, err := NemenyiTest(f, 0.05)
		if err != nil {
			t.Fatal(err)
		}
		k := float64(c.Groups)
		checkNear(t, "critical difference", r.CriticalDifference, c.Q/math.Sqrt2*math.Sqrt(k*(k+1)/(6*14)), 5e-4)
	}
}

// A pair exactly at the critical difference has the level as its p-value.
func TestNemenyiAtTheCriticalDifference(t *testing.T) {
	f := Friedman{Blocks: 10, Treatments: 5, MeanRanks: make([]float64, 5)}
	r, err := NemenyiTest(f, 0.05)
	if err != nil {
		t.Fatal(err)
	}
	f.MeanRanks[3] = r.CriticalDifference
	if r, err = NemenyiTest(f, 0.05); err != nil {
		t.Fatal(err)
	}
	checkNear(t, "p", r.P[0][3], 0.05, 1e-12)
	checkNear(t, "p of equal ranks", r.P[1][2], 1, 0)
	if r.P[3][0] != r.P[0][3] || r.P[2][2] != 1 {
		t.Errorf("p-values %v", r.P)
	}
}

func TestStudentisedQuantiles(t *testing.T) {
	for _, d := range []StudentisedRange{{2, 1}, {2, 7.5}, {5, math.Inf(1)}, {10, 3}, {1000, math.Inf(1)}} {
		for _, p := range []float64{1e-9, 0.01, 0.5, 0.9, 0.99999} {
			q := d.Quantile(p)
			if got := d.CDF(q); !relative(got, p, 1e-10) {
				t.Errorf("%+v: CDF(Quantile(%v)) = %v", d, p, got)
			}
		}
		if d.Quantile(0) != 0 || !math.IsInf(d.Quantile(1), 1) || !math.IsNaN(d.Quantile(2)) {
			t.Errorf("%+v: quantiles outside (0, 1): %v %v %v", d, d.Quantile(0), d.Quantile(1), d.Quantile(2))
		}
	}
}

func TestStudentisedEdges(t *testing.T) {
	for _, d := range []StudentisedRange{{1, 5}, {0, 5}, {MaxGroups + 1, 5}, {3, 0.5}, {3, math.NaN()}} {
		if p, _ := d.Tail(1); !math.IsNaN(p) || !math.IsNaN(d.CDF(1)) || !math.IsNaN(d.Quantile(0.5)) {
			t.Errorf("%+v is a distribution", d)
		}
	}
	d := StudentisedRange{3, 4}
	for q, want := range map[float64]float64{-1: 0, 0: 0, math.Inf(1): 1, math.Inf(-1): 0} {
		if got := d.CDF(q); got != want {
			t.Errorf("CDF(%v) = %v", q, got)
		}
	}
	if !math.IsNaN(d.CDF(math.NaN())) {
		t.Error("CDF(NaN)")
	}
	for _, q := range []float64{1e-300, 1e-9, 1e9, 1e160, 1e300} {
		for _, f := range []float64{1, 1000, math.Inf(1)} {
			d := StudentisedRange{7, f}
			if p, log := d.Tail(q); !(p >= 0 && p <= 1) || log > 0 || !(d.CDF(q) >= 0 && d.CDF(q) <= 1) {
				t.Errorf("%+v: tail at %v is %v, log10 %v, CDF %v", d, q, p, log, d.CDF(q))
			}
		}
	}
}

func TestFriedmanRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		blocks [][]float64
		want   error
	}{
		"two treatments": {[][]float64{{1, 2}, {2, 1}}, ErrRange},
		"unequal":        {[][]float64{{1, 2, 3}, {2, 1}}, ErrLength},
		"a NaN":          {[][]float64{{1, 2, math.NaN()}}, ErrNaN},
	} {
		if _, err := FriedmanTest(c.blocks); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	f, err := FriedmanTest(nil)
	if err != nil || !math.IsNaN(f.Statistic) || !math.IsNaN(f.P) {
		t.Errorf("no blocks: %+v, %v", f, err)
	}
	if _, err := NemenyiTest(f, 0.05); !errors.Is(err, ErrRange) {
		t.Errorf("no blocks: %v", err)
	}
	for _, alpha := range []float64{0, 1, math.NaN()} {
		if _, err := NemenyiTest(Friedman{Blocks: 1, Treatments: 3, MeanRanks: []float64{1, 2, 3}}, alpha); !errors.Is(err, ErrRange) {
			t.Errorf("alpha %v: %v", alpha, err)
		}
	}
}
