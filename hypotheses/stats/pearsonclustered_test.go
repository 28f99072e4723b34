package stats

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// clusteredNormal are correlated points in classes of 1 to 4.
func clusteredNormal(classes int) (x, y []float64, class []int) {
	random := rand.New(rand.NewPCG(11, 12))
	for c := range classes {
		shared := random.NormFloat64()
		for range 1 + c%4 {
			x = append(x, 100+shared+random.NormFloat64())
			y = append(y, shared-random.NormFloat64())
			class = append(class, 7*c)
		}
	}
	return x, y, class
}

func TestPearsonClusteredIsTheClusterBootstrap(t *testing.T) {
	x, y, class := clusteredNormal(60)
	got, err := PearsonClustered(x, y, class, 400, 3)
	if err != nil {
		t.Fatal(err)
	}
	want, err := ClusterBootstrap(class, 400, 3, func(sample []int) float64 {
		r, _ := Pearson(pick(x, sample), pick(y, sample))
		return r.Value
	})
	if err != nil {
		t.Fatal(err)
	}
	checkNear(t, "value", got.Value, want.Value, 1e-14)
	checkNear(t, "low", got.Low, want.Low, 1e-12)
	checkNear(t, "high", got.High, want.High, 1e-12)
	checkNear(t, "standard error", got.StdErr, want.StdErr, 1e-12)
	if got.Units != 60 {
		t.Errorf("%d units", got.Units)
	}
}

func TestPearsonClusteredEdges(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for name, c := range map[string]struct{ x, y []float64 }{
		"none": {nil, nil}, "one": {[]float64{1}, []float64{2}}, "constant": {[]float64{1, 1, 1}, []float64{1, 2, 3}},
		"NaN": {[]float64{1, nan}, []float64{1, 2}}, "infinite": {[]float64{1, inf, 2}, []float64{1, 2, 3}},
	} {
		got, err := PearsonClustered(c.x, c.y, make([]int, len(c.x)), 10, 1)
		if err != nil || !math.IsNaN(got.Value) || !math.IsNaN(got.Low) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	// Two classes, each constant in x: a resample of one of them has no r.
	got, err := PearsonClustered([]float64{0.1, 0.1, 0.7, 0.7}, []float64{1, 2, 3, 5}, []int{0, 0, 1, 1}, 200, 1)
	if err != nil || got.Undefined < 50 || got.Undefined > 150 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := PearsonClustered([]float64{1}, []float64{1}, nil, 10, 1); !errors.Is(err, ErrLength) {
		t.Errorf("lengths: %v", err)
	}
	if _, err := PearsonClustered(nil, nil, nil, 0, 1); !errors.Is(err, ErrRange) {
		t.Errorf("no resamples: %v", err)
	}
}

func TestPearsonDifference(t *testing.T) {
	first, second := Correlation{N: 103, Value: 0.5}, Correlation{N: 28, Value: 0.1}
	i, c := PearsonDifference(first, second)
	z, se := math.Atanh(0.5)-math.Atanh(0.1), math.Sqrt(1.0/100+1.0/25)
	checkNear(t, "z", i.Value, z, 1e-15)
	checkNear(t, "low", i.Low, z-1.959963984540054*se, 1e-12)
	checkNear(t, "high", i.High, z+1.959963984540054*se, 1e-12)
	checkNear(t, "p", c.P, math.Erfc(z/se/math.Sqrt2), 1e-14)
	if i, c := PearsonDifference(Correlation{N: 3, Value: 0.5}, second); !math.IsNaN(i.Low) || !math.IsNaN(c.P) {
		t.Errorf("of 3 pairs: %+v, %+v", i, c)
	}
	if i, c := PearsonDifference(undefined(30), second); !math.IsNaN(i.Value) || !math.IsNaN(c.P) {
		t.Errorf("of none: %+v, %+v", i, c)
	}
}
