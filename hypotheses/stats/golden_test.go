package stats

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// number is a float64 that JSON may also carry as "nan", "inf" or "-inf".
type number float64

func (v *number) UnmarshalJSON(text []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	*v = number(f)
	return err
}

// floats unwraps numbers.
func floats(v []number) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = float64(v[i])
	}
	return out
}

// golden is testdata/golden.json, which testdata/golden.py writes.
type golden struct {
	Correlations []struct {
		Name                       string
		X, Y                       []number
		Formula                    *formula
		N                          int
		Counts                     []int64
		Fisher                     []number
		Spearman, Pearson, Kendall coefficient
	}
	Ranks     []struct{ X, Ranks []number }
	Quantiles []struct {
		X, Q, Quantiles, Box []number
		IQR                  number
	}
	Wasserstein []struct {
		X, Y     []number
		Distance number
	}
	Hypergeometric []struct {
		Args   [4]int
		P      number
		Log10P number `json:"log10_p"`
	}
	Overlap []struct {
		Formula formula
		K       int
		End     string
		Count   int
	}
	NormalTails []struct {
		Z      number
		Log10P number `json:"log10_p"`
	} `json:"normal_tails"`
	NormalQuantiles []struct{ P, Z number } `json:"normal_quantiles"`
}

type coefficient struct {
	Value, P number
	Log10P   number `json:"log10_p"`
}

// formula is seed, n, levels and noise of a sample too large to be stored.
type formula [4]uint64

// sample repeats formula_sample of golden.py.
func (f formula) sample() (x, y []float64) {
	state, n, levels, noise := f[0], int(f[1]), f[2], f[3]
	draw := func() uint64 {
		state = state*6364136223846793005 + 1442695040888963407
		return state >> 33
	}
	x, y = make([]float64, n), make([]float64, n)
	for i := range n {
		base := draw() % levels
		x[i] = float64(base+draw()%noise) / 8
		y[i] = float64(base+draw()%noise) / 8
	}
	return x, y
}

var loadGolden = sync.OnceValues(func() (golden, error) {
	var g golden
	text, err := os.ReadFile("testdata/golden.json")
	if err == nil {
		err = json.Unmarshal(text, &g)
	}
	return g, err
})

func readGolden(t *testing.T) golden {
	t.Helper()
	g, err := loadGolden()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// same reports equality, a NaN being equal to a NaN.
func same(a, b float64) bool { return a == b || a != a && b != b }

// near reports equality up to an absolute tolerance, which grows with b.
func near(got, want, tolerance float64) bool {
	return same(got, want) || math.Abs(got-want) <= tolerance*max(1, math.Abs(want))
}

// relative reports equality up to a relative tolerance.
func relative(got, want, tolerance float64) bool {
	return same(got, want) || math.Abs(got-want) <= tolerance*math.Abs(want)
}

func checkNear(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !near(got, want, tolerance) {
		t.Errorf("%s = %.17g, want %.17g", what, got, want)
	}
}

// checkCorrelation holds a coefficient to 1e-12, its p-value to a relative 1e-6
// and log10 p to a relative 1e-6 (absolute, near p = 1).
func checkCorrelation(t *testing.T, what string, got Correlation, n int, want coefficient) {
	t.Helper()
	if got.N != n {
		t.Errorf("%s: N = %d, want %d", what, got.N, n)
	}
	checkNear(t, what+" value", got.Value, float64(want.Value), 1e-12)
	if !perfect(got, want) && !relative(got.P, float64(want.P), 1e-6) {
		t.Errorf("%s p = %g, want %g", what, got.P, want.P)
	}
	log, wanted := got.Log10P, float64(want.Log10P)
	if !relative(log, wanted, 1e-6) && math.Abs(log-wanted) > 1e-9 {
		t.Errorf("%s log10 p = %.12g, want %.12g", what, log, wanted)
	}
}

// perfect reports that the coefficient is exactly ±1 with p = 0 where SciPy's
// rounding may have left a little of both.
func perfect(got Correlation, want coefficient) bool {
	return math.Abs(got.Value) == 1 && got.P == 0 && math.IsInf(float64(want.Log10P), -1) && want.P < 1e-7
}

func TestCorrelationsAgainstSciPy(t *testing.T) {
	for _, c := range readGolden(t).Correlations {
		t.Run(c.Name, func(t *testing.T) {
			x, y := floats(c.X), floats(c.Y)
			if c.Formula != nil {
				x, y = c.Formula.sample()
			}
			for _, test := range []struct {
				what      string
				correlate func(x, y []float64) (Correlation, error)
				want      coefficient
			}{
				{"spearman", Spearman, c.Spearman},
				{"pearson", Pearson, c.Pearson},
				{"kendall", KendallTauB, c.Kendall},
			} {
				got, err := test.correlate(x, y)
				if err != nil {
					t.Fatal(err)
				}
				checkCorrelation(t, test.what, got, c.N, test.want)
				swapped, _ := test.correlate(y, x)
				checkCorrelation(t, test.what+" of (y, x)", swapped, c.N, test.want)
			}
			if c.Fisher != nil {
				r, _ := Pearson(x, y)
				interval := PearsonInterval(r.Value, r.N)
				checkNear(t, "fisher low", interval.Low, float64(c.Fisher[0]), 1e-12)
				checkNear(t, "fisher high", interval.High, float64(c.Fisher[1]), 1e-12)
			}
		})
	}
}

func TestPairCountsAreExact(t *testing.T) {
	for _, c := range readGolden(t).Correlations {
		if c.Counts == nil {
			continue
		}
		x, y := floats(c.X), floats(c.Y)
		if c.Formula != nil {
			x, y = c.Formula.sample()
		}
		p := countPairs(x, y)
		got := []int64{p.difference() + p.discordant, p.discordant, p.x.pairs, p.y.pairs, p.both}
		for i, want := range c.Counts {
			if got[i] != want {
				t.Errorf("%s: (concordant, discordant, tied x, y, both) = %v, want %v", c.Name, got, c.Counts)
				break
			}
		}
	}
}

func TestRanksAgainstSciPy(t *testing.T) {
	for _, c := range readGolden(t).Ranks {
		got := Ranks(floats(c.X))
		for i, want := range floats(c.Ranks) {
			if !same(got[i], want) {
				t.Errorf("Ranks(%v) = %v, want %v", c.X, got, c.Ranks)
				break
			}
		}
	}
}

func TestQuantilesAgainstNumPy(t *testing.T) {
	for _, c := range readGolden(t).Quantiles {
		x := floats(c.X)
		for i, q := range floats(c.Q) {
			checkNear(t, "quantile", Quantile(x, q), float64(c.Quantiles[i]), 1e-14)
		}
		checkNear(t, "IQR", IQR(x), float64(c.IQR), 1e-14)
		b := NewBox(x)
		for i, got := range []float64{b.Q1, b.Median, b.Q3, b.WhiskerLow, b.WhiskerHigh} {
			checkNear(t, "box", got, float64(c.Box[i]), 1e-14)
		}
	}
}

func TestWassersteinAgainstSciPy(t *testing.T) {
	for _, c := range readGolden(t).Wasserstein {
		x, y := floats(c.X), floats(c.Y)
		checkNear(t, "W1(x, y)", Wasserstein1(x, y), float64(c.Distance), 1e-12)
		checkNear(t, "W1(y, x)", Wasserstein1(y, x), float64(c.Distance), 1e-12)
	}
}

func TestHypergeometricAgainstSciPy(t *testing.T) {
	for _, c := range readGolden(t).Hypergeometric {
		p, log10P := HypergeometricSF(c.Args[0], c.Args[1], c.Args[2], c.Args[3])
		if !relative(p, float64(c.P), 1e-6) {
			t.Errorf("%v: p = %g, want %g", c.Args, p, c.P)
		}
		if !relative(log10P, float64(c.Log10P), 1e-9) && math.Abs(log10P-float64(c.Log10P)) > 1e-12 {
			t.Errorf("%v: log10 p = %.15g, want %.15g", c.Args, log10P, c.Log10P)
		}
	}
}

func TestOverlapAgainstNumPy(t *testing.T) {
	ends := map[string]End{"smallest": Smallest, "largest": Largest}
	for _, c := range readGolden(t).Overlap {
		x, y := c.Formula.sample()
		got, err := Overlap(x, y, c.K, ends[c.End])
		if err != nil {
			t.Fatal(err)
		}
		if got.Count != c.Count {
			t.Errorf("%v top %d %s: count %d, want %d", c.Formula, c.K, c.End, got.Count, c.Count)
		}
		checkNear(t, "share", got.Share, float64(c.Count)/float64(c.K), 1e-15)
		checkNear(t, "chance", got.Chance, float64(c.K)/float64(len(x)), 1e-15)
		p, _ := HypergeometricSF(c.Count, len(x), c.K, c.K)
		checkNear(t, "p", got.P, p, 0)
	}
}

func TestNormalAgainstMpmath(t *testing.T) {
	for _, c := range readGolden(t).NormalTails {
		for _, z := range []float64{float64(c.Z), -float64(c.Z)} {
			got := lnNormalTail(z) / math.Ln10
			if !relative(got, float64(c.Log10P), 1e-12) && math.Abs(got-float64(c.Log10P)) > 1e-15 {
				t.Errorf("log10 P[|Z| >= %g] = %.17g, want %.17g", z, got, c.Log10P)
			}
		}
	}
	for _, c := range readGolden(t).NormalQuantiles {
		checkNear(t, "NormalQuantile", NormalQuantile(float64(c.P)), float64(c.Z), 1e-14)
	}
}
