package stats

import (
	"fmt"
	"math"
)

// End says which end of a sample counts as its top.
type End int

const (
	// Smallest ranks the smallest values first: errors, losses, latencies.
	Smallest End = iota
	// Largest ranks the largest values first: accuracies.
	Largest
)

// TopOverlap says how much of the top k of one sample is in that of another.
type TopOverlap struct {
	// N is the number of items, K the size of the top, Count the items in both.
	N, K, Count int
	// Share is Count/K, Chance the share expected of independent samples, K/N.
	Share, Chance float64
	// P is P[X >= Count] of the hypergeometric distribution: one-sided.
	P, Log10P float64
}

// Overlap compares the top k of two samples of the same n items. Equal values
// are taken in index order at either end. k = 0 gives a NaN share with p = 1; a
// NaN in the samples gives NaN floats and a Count of 0. k outside 0..n is an
// error.
func Overlap(x, y []float64, k int, end End) (TopOverlap, error) {
	if err := checkPaired(x, y); err != nil {
		return TopOverlap{}, err
	}
	n := len(x)
	if k < 0 || k > n {
		return TopOverlap{}, fmt.Errorf("%w: top %d of %d", ErrRange, k, n)
	}
	result := TopOverlap{N: n, K: k, Share: math.NaN(), Chance: float64(k) / float64(n)}
	if hasNaN(x, y) {
		result.Chance, result.P, result.Log10P = math.NaN(), math.NaN(), math.NaN()
		return result, nil
	}
	result.Count = countCommon(top(x, k, end), top(y, k, end), n)
	result.Share = float64(result.Count) / float64(k)
	result.P, result.Log10P = HypergeometricSF(result.Count, n, k, k)
	return result, nil
}

// top gives the indexes of the k first items, ties in index order.
func top(x []float64, k int, end End) []int32 {
	if end == Largest {
		negated := make([]float64, len(x))
		for i, v := range x {
			negated[i] = -v
		}
		x = negated
	}
	return newOrdering(x).at[:k]
}

// countCommon counts the indexes below n that are in both sets.
func countCommon(a, b []int32, n int) int {
	in := make([]bool, n)
	for _, i := range a {
		in[i] = true
	}
	count := 0
	for _, i := range b {
		if in[i] {
			count++
		}
	}
	return count
}

// HypergeometricSF is P[X >= atLeast], X being the number of marked items among
// draws items drawn without replacement from population items of which marked
// are marked: scipy.stats.hypergeom.sf(atLeast-1, population, marked, draws).
// log10P does not underflow. Impossible parameters give NaN.
func HypergeometricSF(atLeast, population, marked, draws int) (p, log10P float64) {
	if marked < 0 || draws < 0 || marked > population || draws > population {
		return math.NaN(), math.NaN()
	}
	lnP := hypergeometric{population, marked, draws}.lnUpperTail(atLeast)
	return math.Exp(lnP), lnP / math.Ln10
}

// hypergeometric is the distribution of the marked items among those drawn.
type hypergeometric struct{ population, marked, draws int }

// lnUpperTail is ln P[X >= x]. It sums the tail that does not hold the mean, as
// a multiple of its first and largest term, so that no term underflows.
func (h hypergeometric) lnUpperTail(x int) float64 {
	lowest, highest := max(0, h.draws+h.marked-h.population), min(h.draws, h.marked)
	switch {
	case x <= lowest:
		return 0
	case x > highest:
		return math.Inf(-1)
	case float64(x) > float64(h.draws)*float64(h.marked)/float64(h.population):
		return h.lnPoint(x) + math.Log(h.tailUp(x, highest))
	}
	return math.Log1p(-math.Exp(h.lnPoint(x-1) + math.Log(h.tailDown(x-1, lowest))))
}

// lnPoint is ln P[X = x].
func (h hypergeometric) lnPoint(x int) float64 {
	return lnBinomial(h.marked, x) + lnBinomial(h.population-h.marked, h.draws-x) -
		lnBinomial(h.population, h.draws)
}

// ratio is P[X = x+1] / P[X = x].
func (h hypergeometric) ratio(x int) float64 {
	return float64(h.marked-x) * float64(h.draws-x) /
		(float64(x+1) * float64(h.population-h.marked-h.draws+x+1))
}

// tailUp is P[x <= X <= highest] / P[X = x].
func (h hypergeometric) tailUp(x, highest int) float64 {
	total, term := 1.0, 1.0
	for ; x < highest && term > 0; x++ {
		term *= h.ratio(x)
		total += term
	}
	return total
}

// tailDown is P[lowest <= X <= x] / P[X = x].
func (h hypergeometric) tailDown(x, lowest int) float64 {
	total, term := 1.0, 1.0
	for ; x > lowest && term > 0; x-- {
		term /= h.ratio(x - 1)
		total += term
	}
	return total
}

// lnBinomial is the logarithm of the number of k-subsets of n items.
func lnBinomial(n, k int) float64 {
	return lnFactorial(n) - lnFactorial(k) - lnFactorial(n-k)
}
