package stats

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"testing"
)

func TestSignTestAgainstSciPy(t *testing.T) {
	var cases []struct {
		Higher, Lower int
		P             float64
	}
	readJSON(t, "testdata/sign.json", &cases)
	for _, c := range cases {
		if got := SignTest(c.Higher, c.Lower); !relative(got, c.P, 1e-10) {
			t.Errorf("%d to %d: p = %.15g, SciPy says %.15g", c.Higher, c.Lower, got, c.P)
		}
	}
	if SignTest(0, 0) != 1 || !math.IsNaN(SignTest(-1, 3)) {
		t.Error("no pairs, or a negative count")
	}
}

// TestNormalRedraws compares the draws with the normal distribution: moments,
// tails, and independence of neighbours.
func TestNormalRedraws(t *testing.T) {
	const n = 200_000
	samples, err := NormalRedraws([]float64{3, -1, 7}, []float64{2, 0.5, 0}, n, 1)
	if err != nil {
		t.Fatal(err)
	}
	var sum, squares, product, beyond float64
	for _, s := range samples {
		a, b := (s[0]-3)/2, (s[1]+1)/0.5
		sum += a
		squares += a * a
		product += a * b
		if math.Abs(a) > 1.959963984540054 {
			beyond++
		}
		if s[2] != 7 {
			t.Fatalf("a value without error became %v", s[2])
		}
	}
	for what, got := range map[string][2]float64{
		"mean": {sum / n, 0}, "variance": {squares / n, 1}, "covariance": {product / n, 0}, "beyond 1.96": {beyond / n, 0.05},
	} {
		if math.Abs(got[0]-got[1]) > 0.012 { // 5 standard errors of the mean
			t.Errorf("%s is %v, want %v", what, got[0], got[1])
		}
	}
}

func TestNormalRedrawsOnAnyNumberOfCores(t *testing.T) {
	draw := func(cores int) [][]float64 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
		s, err := NormalRedraws([]float64{0, 1}, []float64{1, 2}, 500, 9)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, four := draw(1), draw(4)
	for b := range one {
		if !slices.Equal(one[b], four[b]) {
			t.Fatalf("sample %d is %v on one core and %v on four", b, one[b], four[b])
		}
	}
}

func TestNormalRedrawsRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		mean, stdErr []float64
		resamples    int
		want         error
	}{
		"no resamples": {[]float64{1}, []float64{1}, 0, ErrRange},
		"unpaired":     {[]float64{1}, nil, 1, ErrLength},
		"negative":     {[]float64{1}, []float64{-1}, 1, ErrRange},
	} {
		if _, err := NormalRedraws(c.mean, c.stdErr, c.resamples, 1); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	s, err := NormalRedraws([]float64{math.NaN(), 1}, []float64{1, math.NaN()}, 3, 1)
	if err != nil || !math.IsNaN(s[0][0]) || !math.IsNaN(s[2][1]) {
		t.Errorf("NaN gives %v, %v", s, err)
	}
}

func TestPercentileInterval(t *testing.T) {
	i := PercentileInterval(5, []float64{3, math.NaN(), 1, 2}, 4)
	if i.Value != 5 || i.Low != 1.05 || i.High != 2.95 || i.Undefined != 1 || i.Units != 4 {
		t.Errorf("%+v", i)
	}
	if i := PercentileInterval(5, nil, 0); !math.IsNaN(i.Low) {
		t.Errorf("of nothing: %+v", i)
	}
}
