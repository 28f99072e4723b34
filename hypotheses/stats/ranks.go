package stats

import "math"

// Ranks gives each value its rank from 1 (smallest) to n, tied values the
// average of the ranks they share: scipy.stats.rankdata(x, method="average").
// If any value is NaN, all ranks are NaN.
func Ranks(x []float64) []float64 {
	ranks := make([]float64, len(x))
	if hasNaN(x) {
		fill(ranks, math.NaN())
		return ranks
	}
	o := newOrdering(x)
	for i, g := range o.group {
		ranks[i] = float64(o.start[g]+1+o.start[g+1]) / 2
	}
	return ranks
}

// fill sets every element to v.
func fill(x []float64, v float64) {
	for i := range x {
		x[i] = v
	}
}
