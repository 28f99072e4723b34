package stats

import (
	"fmt"
	"math"
)

// Permutation is a test of the hypothesis that two samples come from one
// distribution.
type Permutation struct {
	// Difference is mean(x) - mean(y).
	Difference float64
	// P is the two-sided p-value: the share of splits whose difference is at least
	// as large.
	P float64
	// Splits is the number of splits looked at; Exact says that they are all there
	// are. Otherwise they are drawn, and the split at hand counts as one of them
	// (Davison and Hinkley, Bootstrap Methods, 1997, section 4.3).
	Splits int
	Exact  bool
}

// PermutationTest compares the means of two independent samples with those of
// the splits of all values into samples of the same sizes: of every split where
// there are at most `splits`, else of as many drawn ones. Differences within
// rounding of that at hand count as equal to it.
func PermutationTest(x, y []float64, splits int, seed uint64) (Permutation, error) {
	if splits < 1 {
		return Permutation{}, fmt.Errorf("%w: %d splits, at least 1", ErrRange, splits)
	}
	if err := checkSize(len(x) + len(y)); err != nil {
		return Permutation{}, err
	}
	if len(x) == 0 || len(y) == 0 || hasNaN(x, y) {
		return Permutation{Difference: math.NaN(), P: math.NaN()}, nil
	}
	t := newSplit(x, y)
	if all := choose(len(x)+len(y), len(x), splits); all <= splits {
		extreme := t.enumerate(0, 0, 0)
		return Permutation{Difference: t.observed, P: float64(extreme) / float64(all), Splits: all, Exact: true}, nil
	}
	hits := forEachResample(splits, seed, func() func(*source) float64 {
		pool := make([]float64, len(t.pool))
		return func(random *source) float64 {
			copy(pool, t.pool)
			sum := 0.0
			for i := range t.first {
				j := i + random.below(len(pool)-i)
				pool[i], pool[j] = pool[j], pool[i]
				sum += pool[i]
			}
			return t.extreme(sum)
		}
	})
	count := 1.0
	for _, h := range hits {
		count += h
	}
	return Permutation{Difference: t.observed, P: count / float64(splits+1), Splits: splits}, nil
}

// split is the pooled values of two samples, of which the first has `first`.
type split struct {
	pool            []float64
	first           int
	total, observed float64
	limit           float64 // differences from here on are as large as observed
}

func newSplit(x, y []float64) *split {
	t := &split{first: len(x)}
	t.pool = append(append(t.pool, x...), y...)
	largest, sum := 0.0, 0.0
	for i, v := range t.pool {
		t.total += v
		largest = max(largest, math.Abs(v))
		if i < t.first {
			sum += v
		}
	}
	t.observed = t.difference(sum)
	t.limit = math.Abs(t.observed) - 1e-12*largest
	return t
}

// difference is that of the means, given the first sample's sum.
func (t *split) difference(sum float64) float64 {
	return sum/float64(t.first) - (t.total-sum)/float64(len(t.pool)-t.first)
}

// extreme is 1 where the first sample's sum makes the difference as large.
func (t *split) extreme(sum float64) float64 {
	if math.Abs(t.difference(sum)) >= t.limit {
		return 1
	}
	return 0
}

// enumerate counts the extreme splits that add to `taken` values from position
// `from` on.
func (t *split) enumerate(from, taken int, sum float64) int {
	if taken == t.first {
		return int(t.extreme(sum))
	}
	count := 0
	for i := from; i <= len(t.pool)-(t.first-taken); i++ {
		count += t.enumerate(i+1, taken+1, sum+t.pool[i])
	}
	return count
}

// choose is the number of k-subsets of n, or any number above limit if it is.
func choose(n, k, limit int) int {
	k = min(k, n-k)
	c := 1
	for i := 1; i <= k; i++ {
		if c > limit {
			return c
		}
		c = c * (n - k + i) / i
	}
	return c
}
