package stats

import (
	"errors"
	"math"
	"slices"
	"testing"
)

// testsGolden is what testdata/tests.py writes.
type testsGolden struct {
	Wilcoxon []struct {
		Name, Zeros, Alternative, Method string
		Correction                       bool
		D                                []float64
		Statistic, P                     number
	}
	MannWhitney []struct {
		Name, Alternative, Method string
		Continuity                bool
		X, Y                      []number
		Statistic, P              number
	}
	Adjusted []struct {
		P, Holm           []float64
		BenjaminiHochberg []float64 `json:"benjamini_hochberg"`
	}
	BCa []struct {
		Name      string
		Data      [][]float64
		Resamples [][]int
		Low, High number
		StdErr    number `json:"std_err"`
	}
	Far []struct {
		What   string
		N      int
		Log10P float64 `json:"log10_p"`
	}
}

func readTests(t *testing.T) (g testsGolden) {
	t.Helper()
	readJSON(t, "testdata/tests.json", &g)
	return g
}

var (
	alternatives = map[string]Alternative{"two-sided": TwoSided, "less": Less, "greater": Greater}
	methods      = map[string]Method{"auto": Auto, "exact": Exact, "approx": Approximate, "asymptotic": Approximate}
	zeroMethods  = map[string]Zeros{"wilcox": DropZeros, "pratt": PrattZeros, "zsplit": SplitZeros}
)

// checkRankTest holds a test to SciPy's statistic and p-value.
func checkRankTest(t *testing.T, what any, got RankTest, err error, statistic, p number) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v: %v", what, err)
	}
	if !near(got.Statistic, float64(statistic), 1e-12) {
		t.Errorf("%v: statistic %v, SciPy says %v", what, got.Statistic, statistic)
	}
	if !relative(got.P, float64(p), 1e-6) {
		t.Errorf("%v: p = %.12g, SciPy says %.12g", what, got.P, float64(p))
	}
	if got.P > 0 && !relative(math.Pow(10, got.Log10P), got.P, 1e-9) {
		t.Errorf("%v: p = %v, log10 p = %v", what, got.P, got.Log10P)
	}
}

func TestWilcoxonAgainstSciPy(t *testing.T) {
	for _, c := range readTests(t).Wilcoxon {
		o := WilcoxonOptions{Zeros: zeroMethods[c.Zeros], Continuity: c.Correction, Alternative: alternatives[c.Alternative], Method: methods[c.Method]}
		got, err := WilcoxonTest(c.D, o)
		checkRankTest(t, []any{c.Name, o}, got, err, c.Statistic, c.P)
	}
}

func TestMannWhitneyAgainstSciPy(t *testing.T) {
	for _, c := range readTests(t).MannWhitney {
		o := MannWhitneyOptions{NoContinuity: !c.Continuity, Alternative: alternatives[c.Alternative], Method: methods[c.Method]}
		got, err := MannWhitneyTest(floats(c.X), floats(c.Y), o)
		checkRankTest(t, []any{c.Name, o}, got, err, c.Statistic, c.P)
	}
}

func TestRankTestsBeyondUnderflow(t *testing.T) {
	for _, c := range readTests(t).Far {
		low, high := make([]float64, c.N), make([]float64, c.N)
		for i := range low {
			low[i], high[i] = float64(i+1), float64(i+1+c.N)
		}
		got, err := WilcoxonTest(low, WilcoxonOptions{})
		if c.What == "mannwhitney" {
			got, err = MannWhitneyTest(low, high, MannWhitneyOptions{})
		}
		if err != nil || got.Exact || !relative(got.Log10P, c.Log10P, 1e-9) {
			t.Errorf("%s: log10 p = %v (%v), mpmath says %v", c.What, got.Log10P, err, c.Log10P)
		}
	}
}

// A large exact distribution is that of the direct count: m values all below.
func TestExactMannWhitneyTails(t *testing.T) {
	for _, size := range [][2]int{{8, 3000}, {150, 160}, {1, 1}, {3, 100}} {
		m, n := size[0], size[1]
		got := exactMannWhitney(m*n, m, n)
		if want := math.Exp(-lnBinomial(m+n, m)); !relative(got, want, 1e-9) {
			t.Errorf("%v: P[U = m n] = %v, want %v", size, got, want)
		}
		lower, upper := exactMannWhitney(m*n/2+1, m, n), exactMannWhitney(m*n-m*n/2, m, n)
		if !near(lower+upper, 1, 1e-9) {
			t.Errorf("%v: halves %v and %v", size, lower, upper)
		}
	}
}

func TestAdjustedAgainstStatsmodels(t *testing.T) {
	for _, c := range readTests(t).Adjusted {
		logs := make([]float64, len(c.P))
		for i, p := range c.P {
			logs[i] = math.Log10(p)
		}
		for name, a := range map[string]struct {
			plain, logged func([]float64) ([]float64, error)
			want          []float64
		}{"holm": {Holm, HolmLog10, c.Holm}, "bh": {BenjaminiHochberg, BenjaminiHochbergLog10, c.BenjaminiHochberg}} {
			got, err := a.plain(c.P)
			inLogs, errLogs := a.logged(logs)
			if err != nil || errLogs != nil || len(got) != len(c.P) || len(inLogs) != len(c.P) {
				t.Fatal(err, errLogs, got)
			}
			for i, want := range a.want {
				if !relative(got[i], want, 1e-12) || !relative(math.Pow(10, inLogs[i]), want, 1e-9) {
					t.Errorf("%s(%v)[%d] = %v, by logarithms 10^%v, want %v", name, c.P, i, got[i], inLogs[i], want)
				}
			}
		}
	}
}

// bcaStatistics are those of testdata/tests.py.
func bcaStatistic(name string, data [][]float64) func([]int) float64 {
	return func(sample []int) float64 {
		x, y := make([]float64, len(sample)), make([]float64, len(sample))
		for i, at := range sample {
			x[i], y[i] = data[0][at], data[len(data)-1][at]
		}
		switch name {
		case "pearson":
			r, _ := Pearson(x, y)
			return r.Value
		case "median_ties":
			return Quantile(x, 0.5)
		}
		return mean(x)
	}
}

func TestBCaAgainstSciPy(t *testing.T) {
	for _, c := range readTests(t).BCa {
		got, err := BCa(len(c.Data[0]), c.Resamples, bcaStatistic(c.Name, c.Data))
		if err != nil {
			t.Fatal(err)
		}
		checkNear(t, c.Name+" low", got.Low, float64(c.Low), 1e-10)
		checkNear(t, c.Name+" high", got.High, float64(c.High), 1e-10)
		checkNear(t, c.Name+" standard error", got.StdErr, float64(c.StdErr), 1e-12)
	}
}

func TestBootstrapBCaIsBCaOfItsDraws(t *testing.T) {
	data := readTests(t).BCa[1].Data
	statistic := bcaStatistic("mean", data)
	var draws [][]int
	var random source
	for b := range 300 {
		random.restart(5, uint64(b))
		draw := make([]int, len(data[0]))
		for i := range draw {
			draw[i] = random.below(len(draw))
		}
		draws = append(draws, draw)
	}
	want, err := BCa(len(data[0]), draws, statistic)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := BootstrapBCa(len(data[0]), 300, 5, statistic); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestRankTestRefusals(t *testing.T) {
	nan := math.NaN()
	_, wilcoxonNaN := WilcoxonTest([]float64{1, nan}, WilcoxonOptions{})
	_, wilcoxonLong := WilcoxonTest(slices.Repeat([]float64{1}, 1001), WilcoxonOptions{Method: Exact})
	_, whitneyNaN := MannWhitneyTest([]float64{1}, []float64{nan}, MannWhitneyOptions{})
	_, whitneyEmpty := MannWhitneyTest(nil, []float64{1}, MannWhitneyOptions{})
	_, whitneyLong := MannWhitneyTest(make([]float64, 600), make([]float64, 600), MannWhitneyOptions{Method: Exact})
	_, holmNaN := Holm([]float64{nan})
	_, holmRange := Holm([]float64{1.5})
	_, logRange := BenjaminiHochbergLog10([]float64{0.5})
	_, logNaN := HolmLog10([]float64{nan})
	_, negative := BenjaminiHochberg([]float64{-1e-9})
	_, index := BCa(2, [][]int{{0, 2}}, func([]int) float64 { return 0 })
	_, none := BCa(2, nil, func([]int) float64 { return 0 })
	_, noResamples := BootstrapBCa(2, 0, 1, func([]int) float64 { return 0 })
	for name, c := range map[string]struct{ got, want error }{
		"wilcoxon NaN": {wilcoxonNaN, ErrNaN}, "wilcoxon exact of 1001": {wilcoxonLong, ErrRange},
		"mann-whitney NaN": {whitneyNaN, ErrNaN}, "mann-whitney empty": {whitneyEmpty, ErrRange}, "mann-whitney exact of 600": {whitneyLong, ErrRange},
		"holm NaN": {holmNaN, ErrNaN}, "holm 1.5": {holmRange, ErrRange}, "log 0.5": {logRange, ErrRange}, "log NaN": {logNaN, ErrNaN},
		"bh negative": {negative, ErrRange}, "bca index": {index, ErrRange}, "bca none": {none, ErrRange}, "bca no resamples": {noResamples, ErrRange},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}

func TestRankTestEdges(t *testing.T) {
	for name, d := range map[string][]float64{"none": nil, "zeros": {0, 0, 0}} {
		if got, err := WilcoxonTest(d, WilcoxonOptions{}); err != nil || !math.IsNaN(got.P) || !math.IsNaN(got.Statistic) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := WilcoxonTest([]float64{0, 0}, WilcoxonOptions{Zeros: SplitZeros}); err != nil || got.P != 1 {
		t.Errorf("split zeros: %+v, %v", got, err)
	}
	if got, err := BootstrapBCa(0, 10, 1, nil); err != nil || !math.IsNaN(got.Low) {
		t.Errorf("BCa of nothing: %+v, %v", got, err)
	}
	one := func(s []int) float64 { return float64(len(s)) }
	if got, err := BootstrapBCa(1, 10, 1, one); err != nil || got.Value != 1 || !math.IsNaN(got.Low) {
		t.Errorf("BCa of one point: %+v, %v", got, err)
	}
}
