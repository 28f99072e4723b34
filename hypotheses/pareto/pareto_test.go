package pareto

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestFront(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		cost, value []float64
		want        []int
	}{
		"empty":         {nil, nil, nil},
		"one":           {[]float64{1}, []float64{1}, []int{0}},
		"stairs":        {[]float64{3, 1, 2, 2.5}, []float64{9, 1, 5, 4}, []int{1, 2, 0}},
		"equal points":  {[]float64{1, 1, 2}, []float64{5, 5, 5}, []int{0, 1}},
		"equal costs":   {[]float64{1, 1, 1}, []float64{1, 3, 2}, []int{1}},
		"missing":       {[]float64{nan, 1, 2}, []float64{9, 1, nan}, []int{1}},
		"negative cost": {[]float64{-1, 0}, []float64{0, 0}, []int{0}},
	} {
		if got := Front(c.cost, c.value); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestFrontByPairs compares with the definition, on points with many ties.
func TestFrontByPairs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := 1 + random.IntN(30)
		cost, value := make([]float64, n), make([]float64, n)
		for i := range cost {
			cost[i], value[i] = float64(random.IntN(8)), float64(random.IntN(8))
		}
		var want []int
		for i := range cost {
			beaten := false
			for j := range cost {
				beaten = beaten || cost[j] <= cost[i] && value[j] >= value[i] && (cost[j] < cost[i] || value[j] > value[i])
			}
			if !beaten {
				want = append(want, i)
			}
		}
		got := Front(cost, value)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("costs %v values %v: %v, want %v", cost, value, got, want)
		}
	}
}

func TestHypervolume(t *testing.T) {
	cost, value := []float64{1, 2, 4}, []float64{1, 3, 4}
	// 1 x 1 from 1 to 2, 3 from 2 to 4, 4 from 4 to 5.
	if got := Hypervolume(cost, value, []int{0, 1, 2}, 5, 0); got != 1+6+4 {
		t.Errorf("area %v", got)
	}
	if got := Hypervolume(cost, value, nil, 5, 0); got != 0 {
		t.Errorf("area of nothing %v", got)
	}
}

func TestTransfer(t *testing.T) {
	value := []float64{1, 2, 3, 4, 0}
	target := []float64{1, 2, 3, 4, 5}
	if q := Transfer(target, target, value); q.Kept != 1 || q.Found != 1 || q.Hypervolume != 1 || q.Regret != 0 || q.MaxRegret != 0 || q.Uncovered != 0 || q.After != 4 {
		t.Errorf("a proxy that is the target: %+v", q)
	}
	// The proxy takes point 1 for the cheapest, and sees no use for 0 and 2.
	q := Transfer([]float64{5, 1, 9, 2, 9}, target, value)
	want := Quality{Proxy: 2, Target: 4, Kept: 1, Found: 0.5, After: 2, Regret: 1. / 3, MaxRegret: 1, Uncovered: 0.25}
	want.Hypervolume = (2*2. + 4) / (1 + 2 + 3 + 4)
	if q != want {
		t.Errorf("%+v, want %+v", q, want)
	}
	// Reversed, the proxy's best point alone is worth something.
	if q := Transfer([]float64{5, 4, 3, 2, 1}, target, value); q.Proxy != 2 || q.After != 1 || q.Uncovered != 0.75 || q.Regret != 0 {
		t.Errorf("reversed: %+v", q)
	}
	constant := []float64{7, 7, 7, 7, 7}
	if q := Transfer(target, constant, value); q.Hypervolume == q.Hypervolume || q.Regret != 0 {
		t.Errorf("constant target: %+v", q)
	}
	nan := math.NaN()
	if q := Transfer([]float64{nan}, []float64{1}, []float64{1}); q.Kept == q.Kept || q.Regret == q.Regret {
		t.Errorf("nothing in common: %+v", q)
	}
}
