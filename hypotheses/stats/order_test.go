package stats

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// sortSizes straddles the change from comparison to radix sort.
var sortSizes = []int{0, 1, 2, 3, radixFrom - 1, radixFrom, radixFrom + 1, 5000}

// randomValues draws values of widely different magnitude and sign, with ties.
func randomValues(random *rand.Rand, n int) []float64 {
	extremes := []float64{inf, -inf, 0, 5e-324, -5e-324, 1.7e308, -1.7e308}
	x := make([]float64, n)
	for i := range x {
		switch random.IntN(4) {
		case 0:
			x[i] = extremes[random.IntN(len(extremes))]
		case 1:
			x[i] = float64(random.IntN(21) - 10)
		default:
			x[i] = random.NormFloat64()
		}
	}
	return x
}

func TestOrderingIsStableSort(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range sortSizes {
		x := randomValues(random, n)
		o := newOrdering(x)
		want := make([]int32, n)
		for i := range want {
			want[i] = int32(i)
		}
		slices.SortStableFunc(want, func(a, b int32) int {
			switch {
			case x[a] < x[b]:
				return -1
			case x[a] > x[b]:
				return 1
			}
			return 0
		})
		if !slices.Equal(o.at, want) {
			t.Errorf("n = %d: wrong order", n)
		}
		checkGroups(t, o, x)
	}
}

// checkGroups verifies that positions, groups and values agree.
func checkGroups(t *testing.T, o ordering, x []float64) {
	t.Helper()
	for g := range o.groups() {
		for p := o.start[g]; p < o.start[g+1]; p++ {
			if i := o.at[p]; o.group[i] != int32(g) || x[i] != x[o.at[o.start[g]]] {
				t.Fatalf("n = %d: position %d is not of group %d", len(x), p, g)
			}
		}
		if g > 0 && x[o.at[o.start[g]]] == x[o.at[o.start[g]-1]] {
			t.Fatalf("n = %d: groups %d and %d are equal", len(x), g-1, g)
		}
	}
	if last := o.start[o.groups()]; int(last) != len(x) {
		t.Fatalf("n = %d: groups end at %d", len(x), last)
	}
}

func TestInversionsAgainstAllPairs(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for n := range 140 {
		for _, levels := range []int{1, 2, 10, 1000} {
			a := make([]int32, n)
			for i := range a {
				a[i] = int32(random.IntN(levels))
			}
			var want int64
			for i := range a {
				for j := range i {
					if a[j] > a[i] {
						want++
					}
				}
			}
			if got := inversions(slices.Clone(a), make([]int32, n)); got != want {
				t.Fatalf("inversions(%v) = %d, want %d", a, got, want)
			}
		}
	}
}

func TestAgreementsAgainstAllPairs(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1, 2, 3, 50, 300} {
		for _, levels := range []int{1, 3, 40, 100000} {
			x, y := make([]float64, n), make([]float64, n)
			for i := range x {
				x[i], y[i] = float64(random.IntN(levels)), float64(random.IntN(levels))
			}
			for i, got := range agreements(newOrdering(x), newOrdering(y)) {
				var want int64
				for j := range x {
					want += int64(sign(x[j]-x[i]) * sign(y[j]-y[i]))
				}
				if got != want {
					t.Fatalf("n = %d, %d levels: point %d agrees with %d, want %d", n, levels, i, got, want)
				}
			}
		}
	}
}

// sign is -1, 0 or 1.
func sign(v float64) int {
	switch {
	case v < 0:
		return -1
	case v > 0:
		return 1
	}
	return 0
}
