package stats

import (
	"errors"
	"math"
	"slices"
	"testing"
)

var (
	nan = math.NaN()
	inf = math.Inf(1)
)

func TestUnequalLengthsAreErrors(t *testing.T) {
	long, short, class := []float64{1, 2, 3}, []float64{1, 2}, []int{1, 2, 3}
	calls := map[string]func() error{
		"Pearson":           func() error { _, err := Pearson(long, short); return err },
		"Spearman":          func() error { _, err := Spearman(long, short); return err },
		"KendallTauB":       func() error { _, err := KendallTauB(long, short); return err },
		"Overlap":           func() error { _, err := Overlap(long, short, 1, Smallest); return err },
		"SpearmanClustered": func() error { _, err := SpearmanClustered(long, short, class, 10, 1); return err },
		"KendallClustered":  func() error { _, err := KendallClustered(long, short, class); return err },
		"class labels":      func() error { _, err := KendallClustered(short, short, class); return err },
		"resampled labels":  func() error { _, err := SpearmanClustered(short, short, class, 10, 1); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, ErrLength) {
			t.Errorf("%s: error %v, want %v", name, err, ErrLength)
		}
	}
}

func TestCountsOutOfRangeAreErrors(t *testing.T) {
	x, class := []float64{1, 2, 3}, []int{1, 2, 3}
	calls := map[string]func() error{
		"negative k":           func() error { _, err := Overlap(x, x, -1, Smallest); return err },
		"k above n":            func() error { _, err := Overlap(x, x, 4, Smallest); return err },
		"no resamples":         func() error { _, err := SpearmanClustered(x, x, class, 0, 1); return err },
		"no bootstrap":         func() error { _, err := Bootstrap(3, 0, 1, nil); return err },
		"no cluster bootstrap": func() error { _, err := ClusterBootstrap(class, -5, 1, nil); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, ErrRange) {
			t.Errorf("%s: error %v, want %v", name, err, ErrRange)
		}
	}
	if err := checkSize(math.MaxInt32 + 1); !errors.Is(err, ErrTooLong) {
		t.Errorf("error %v, want %v", err, ErrTooLong)
	}
}

func TestInfinityIsNoNumberToPearson(t *testing.T) {
	got, err := Pearson([]float64{1, inf, 3}, []float64{1, 2, 3})
	if err != nil || !math.IsNaN(got.Value) || !math.IsNaN(got.P) || !math.IsNaN(got.Log10P) {
		t.Errorf("Pearson = %+v, %v, want NaN", got, err)
	}
}

func TestPerfectCorrelationIsExact(t *testing.T) {
	for n := 3; n < 60; n++ {
		x, y := make([]float64, n), make([]float64, n)
		for i := range x {
			x[i] = float64(i / 2)
			y[i] = -4 * x[i] // a power of two: the scaled samples are opposite to the bit
		}
		for name, correlate := range map[string]func(x, y []float64) (Correlation, error){
			"Pearson": Pearson, "Spearman": Spearman,
		} {
			got, _ := correlate(x, y)
			if got.Value != -1 || got.P != 0 || !math.IsInf(got.Log10P, -1) {
				t.Fatalf("%s of %d opposite pairs = %+v", name, n, got)
			}
		}
		if tau, _ := KendallTauB(x, y); tau.Value != -1 {
			t.Fatalf("tau-b of %d opposite pairs = %v", n, tau.Value)
		}
	}
}

func TestInputsAreLeftAlone(t *testing.T) {
	x, y := formula{3, 900, 50, 20}.sample()
	class := make([]int, len(x))
	for i := range class {
		class[i] = i / 3
	}
	beforeX, beforeY := slices.Clone(x), slices.Clone(y)
	Ranks(x)
	Pearson(x, y)
	Spearman(x, y)
	KendallTauB(x, y)
	Overlap(x, y, 9, Largest)
	Quantile(x, 0.5)
	NewBox(x)
	Wasserstein1(x, y)
	SpearmanClustered(x, y, class, 5, 1)
	KendallClustered(x, y, class)
	if !slices.Equal(x, beforeX) || !slices.Equal(y, beforeY) {
		t.Error("a function changed its input")
	}
}

func TestOverlapEdges(t *testing.T) {
	x := []float64{1, 1, 1, 2, -inf}
	y := []float64{5, 5, 4, inf, 4}
	for _, c := range []struct {
		name  string
		k     int
		end   End
		count int
		p     float64
	}{
		{"nothing", 0, Smallest, 0, 1},
		{"ties in index order, smallest", 2, Smallest, 1, 0.7},
		{"ties in index order, largest", 2, Largest, 2, 0.1},
		{"everything", 5, Smallest, 5, 1},
	} {
		got, err := Overlap(x, y, c.k, c.end)
		if err != nil || got.Count != c.count || !near(got.P, c.p, 1e-12) {
			t.Errorf("%s: %+v, %v, want count %d and p %g", c.name, got, err, c.count, c.p)
		}
		if (c.k == 0) != math.IsNaN(got.Share) {
			t.Errorf("%s: share %g", c.name, got.Share)
		}
	}
	got, err := Overlap([]float64{1, nan}, []float64{1, 2}, 1, Smallest)
	if err != nil || got.Count != 0 || !math.IsNaN(got.Share+got.P+got.Log10P+got.Chance) {
		t.Errorf("with a NaN: %+v, %v", got, err)
	}
	if got, _ := Overlap(nil, nil, 0, Largest); got.P != 1 || !math.IsNaN(got.Share) {
		t.Errorf("empty: %+v", got)
	}
}

func TestHypergeometricEdges(t *testing.T) {
	for _, args := range [][4]int{{1, 5, 6, 2}, {1, 5, 2, 6}, {1, 5, -1, 2}, {1, 5, 2, -1}} {
		if p, log10P := HypergeometricSF(args[0], args[1], args[2], args[3]); !math.IsNaN(p) || !math.IsNaN(log10P) {
			t.Errorf("%v: p = %g", args, p)
		}
	}
	if p, log10P := HypergeometricSF(3, 10, 2, 5); p != 0 || !math.IsInf(log10P, -1) {
		t.Errorf("impossible count: p = %g, log10 p = %g", p, log10P)
	}
	if p, log10P := HypergeometricSF(-1, 10, 2, 5); p != 1 || log10P != 0 {
		t.Errorf("certain count: p = %g, log10 p = %g", p, log10P)
	}
}

func TestQuantileEdges(t *testing.T) {
	for _, c := range []struct {
		name    string
		x       []float64
		q, want float64
	}{
		{"empty", nil, 0.5, nan},
		{"one", []float64{3}, 0.7, 3},
		{"NaN", []float64{1, nan, 2}, 0.5, nan},
		{"q below 0", []float64{1, 2}, -0.1, nan},
		{"q above 1", []float64{1, 2}, 1.1, nan},
		{"q NaN", []float64{1, 2}, nan, nan},
		{"on a datum beside infinity", []float64{1, 2, inf}, 0.5, 2},
		{"towards infinity", []float64{1, 2, inf}, 0.6, inf},
		{"between equal infinities", []float64{inf, inf}, 0.5, inf},
	} {
		if got := Quantile(c.x, c.q); !same(got, c.want) {
			t.Errorf("%s: %g, want %g", c.name, got, c.want)
		}
	}
}

func TestBoxEdges(t *testing.T) {
	for name, x := range map[string][]float64{"empty": nil, "NaN": {1, nan}} {
		b := NewBox(x)
		if b.N != len(x) || !math.IsNaN(b.Q1+b.Median+b.Q3+b.WhiskerLow+b.WhiskerHigh) {
			t.Errorf("%s: %+v", name, b)
		}
	}
	if b := NewBox([]float64{2, 2}); b != (Box{2, 2, 2, 2, 2, 2}) {
		t.Errorf("constant: %+v", b)
	}
	// The only datum beyond the quartile is out of reach: no whisker.
	if b := NewBox([]float64{1, 2, 3, 100}); b.Q3 != 27.25 || b.WhiskerHigh != 27.25 || b.WhiskerLow != 1 {
		t.Errorf("high outlier: %+v", b)
	}
	if b := NewBox([]float64{-100, -3, -2, -1}); b.Q1 != -27.25 || b.WhiskerLow != -27.25 || b.WhiskerHigh != -1 {
		t.Errorf("low outlier: %+v", b)
	}
	if !math.IsNaN(IQR(nil)) {
		t.Error("IQR of nothing is a number")
	}
}

func TestWassersteinEdges(t *testing.T) {
	for _, c := range []struct {
		name string
		x, y []float64
		want float64
	}{
		{"empty", nil, []float64{1}, nan},
		{"NaN", []float64{1}, []float64{nan}, nan},
		{"equal infinities", []float64{1, inf}, []float64{2, inf}, 0.5},
		{"unequal infinities", []float64{1, 2}, []float64{2, inf}, inf},
		{"opposite infinities", []float64{-inf}, []float64{inf}, inf},
		{"negative infinities", []float64{-inf, 3}, []float64{-inf, 1}, 1},
	} {
		if got := Wasserstein1(c.x, c.y); !same(got, c.want) {
			t.Errorf("%s: %g, want %g", c.name, got, c.want)
		}
	}
}

func TestNormalQuantileEdges(t *testing.T) {
	for p, want := range map[float64]float64{0: -inf, 1: inf, 0.5: 0, -0.1: nan, 1.1: nan} {
		if got := NormalQuantile(p); !same(got, want) {
			t.Errorf("NormalQuantile(%g) = %g, want %g", p, got, want)
		}
	}
	if got := NormalQuantile(nan); !math.IsNaN(got) {
		t.Errorf("NormalQuantile(NaN) = %g", got)
	}
}

func TestPearsonIntervalEdges(t *testing.T) {
	if got := PearsonInterval(0.9, 3); got.Low != -1 || got.High != 1 {
		t.Errorf("three pairs: %+v", got)
	}
	if got := PearsonInterval(1, 10); got.Low != 1 || got.High != 1 {
		t.Errorf("perfect: %+v", got)
	}
	if got := PearsonInterval(nan, 10); !math.IsNaN(got.Low + got.High) {
		t.Errorf("NaN: %+v", got)
	}
	if got := PearsonInterval(nan, 2); !math.IsNaN(got.Low + got.High) {
		t.Errorf("NaN of two pairs: %+v", got)
	}
}

func TestGammaHalfStepIsContinuous(t *testing.T) {
	for _, a := range []float64{30, 31.5, 50} {
		upper, _ := math.Lgamma(a + 0.5)
		lower, _ := math.Lgamma(a)
		checkNear(t, "ln Gamma(a+1/2)/Gamma(a)", lnGammaHalfStep(a), upper-lower, 3e-14)
	}
}

func TestTailsOfNaN(t *testing.T) {
	if got := lnCorrelationTail(nan, 10); !math.IsNaN(got) {
		t.Errorf("correlation tail = %g", got)
	}
	if got := lnNormalTail(nan); !math.IsNaN(got) {
		t.Errorf("normal tail = %g", got)
	}
	if got := lnNormalTail(-inf); !math.IsInf(got, -1) {
		t.Errorf("normal tail at -Inf = %g", got)
	}
}
