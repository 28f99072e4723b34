package stats

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// TestInfluenceOfAMean: two classes of two points. The mean is 4, its influences
// (x - 4)/4 sum to -1 and 1 by class; s.e. = sqrt(2/1 (1 + 1)) = 2.
func TestInfluenceOfAMean(t *testing.T) {
	x, class := []float64{1, 3, 5, 7}, []int{9, 9, 2, 2}
	influence := make([]float64, len(x))
	for i, v := range x {
		influence[i] = (v - 4) / 4
	}
	got, err := InfluenceInterval(4, influence, class)
	if err != nil {
		t.Fatal(err)
	}
	checkNear(t, "standard error", got.StdErr, 2, 1e-15)
	checkNear(t, "low", got.Low, 4-2*1.959963984540054, 1e-12)
	checkNear(t, "high", got.High, 4+2*1.959963984540054, 1e-12)
	if got.Units != 2 || got.Value != 4 {
		t.Errorf("%+v", got)
	}
}

// TestInfluenceAgainstBootstrap: for a mean, which has no pairs, both are right.
func TestInfluenceAgainstBootstrap(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var x []float64
	var class []int
	for c := range 400 {
		shared := random.NormFloat64()
		for range 1 + random.IntN(5) {
			x, class = append(x, shared+random.NormFloat64()/2), append(class, c)
		}
	}
	center := mean(x)
	influence := make([]float64, len(x))
	for i, v := range x {
		influence[i] = (v - center) / float64(len(x))
	}
	got, err := InfluenceInterval(center, influence, class)
	if err != nil {
		t.Fatal(err)
	}
	want, err := ClusterBootstrap(class, 2000, 1, func(sample []int) float64 { return mean(pick(x, sample)) })
	if err != nil {
		t.Fatal(err)
	}
	if !relative(got.StdErr, want.StdErr, 0.1) {
		t.Errorf("standard error %v, by the bootstrap %v", got.StdErr, want.StdErr)
	}
}

func TestInfluenceWithoutInterval(t *testing.T) {
	for name, c := range map[string]struct {
		value     float64
		influence []float64
		class     []int
	}{
		"one class": {1, []float64{1, -1}, []int{5, 5}},
		"no points": {1, nil, nil},
		"NaN":       {1, []float64{1, math.NaN()}, []int{1, 2}},
		"undefined": {math.NaN(), []float64{1, -1}, []int{1, 2}},
	} {
		i, err := InfluenceInterval(c.value, c.influence, c.class)
		if err != nil || !math.IsNaN(i.Low) || !math.IsNaN(i.High) || !math.IsNaN(i.StdErr) {
			t.Errorf("%s: %+v, %v", name, i, err)
		}
	}
	if _, err := InfluenceInterval(0, []float64{1}, nil); !errors.Is(err, ErrLength) {
		t.Errorf("lengths: %v", err)
	}
}
