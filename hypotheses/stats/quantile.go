package stats

import (
	"math"
	"slices"
)

// Quantile is the q-quantile by linear interpolation between order statistics:
// numpy.quantile(x, q, method="linear"), definition 7 of Hyndman and Fan (Amer.
// Statist. 1996). It is NaN for an empty sample, a NaN in it, or q outside
// [0, 1]. x is not changed.
//
// A quantile that falls on an order statistic is that value even beside an
// infinity, where NumPy 1.24 gives NaN.
func Quantile(x []float64, q float64) float64 {
	if hasNaN(x) {
		return math.NaN()
	}
	return sortedQuantile(sortedCopy(x), q)
}

// IQR is the interquartile range, Quantile(x, 0.75) - Quantile(x, 0.25):
// scipy.stats.iqr(x).
func IQR(x []float64) float64 {
	b := NewBox(x)
	return b.Q3 - b.Q1
}

// Box is a box plot in numbers.
type Box struct {
	N              int
	Q1, Median, Q3 float64
	// WhiskerLow and WhiskerHigh are the most extreme data within 1.5 times the
	// interquartile range of the box.
	WhiskerLow, WhiskerHigh float64
}

// NewBox describes a sample as matplotlib.cbook.boxplot_stats does: linear
// quartiles, whiskers at the most extreme datum within 1.5 IQR (Tukey), never
// inside the box. An empty sample or one with a NaN has NaN floats.
func NewBox(x []float64) Box {
	if len(x) == 0 || hasNaN(x) {
		nan := math.NaN()
		return Box{N: len(x), Q1: nan, Median: nan, Q3: nan, WhiskerLow: nan, WhiskerHigh: nan}
	}
	sorted := sortedCopy(x)
	b := Box{
		N:      len(x),
		Q1:     sortedQuantile(sorted, 0.25),
		Median: sortedQuantile(sorted, 0.5),
		Q3:     sortedQuantile(sorted, 0.75),
	}
	b.WhiskerLow, b.WhiskerHigh = b.whiskers(sorted)
	return b
}

// whiskers finds the most extreme data within reach of the box.
func (b Box) whiskers(sorted []float64) (low, high float64) {
	reach := 1.5 * (b.Q3 - b.Q1)
	low, high = b.Q1, b.Q3
	if i := slices.IndexFunc(sorted, func(v float64) bool { return v >= b.Q1-reach }); i >= 0 {
		low = min(low, sorted[i])
	}
	for _, v := range slices.Backward(sorted) {
		if v <= b.Q3+reach {
			return low, max(high, v)
		}
	}
	return low, high
}

// sortedCopy is x in ascending order.
func sortedCopy(x []float64) []float64 {
	sorted := slices.Clone(x)
	slices.Sort(sorted)
	return sorted
}

// sortedQuantile is Quantile of a sorted sample without NaN.
func sortedQuantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 || !(q >= 0 && q <= 1) {
		return math.NaN()
	}
	position := float64(len(sorted)-1) * q
	below := int(position)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	return between(sorted[below], sorted[below+1], position-float64(below))
}

// between interpolates from a to b >= a. Like NumPy it starts from the nearer
// end, which keeps the result monotone in t.
func between(a, b, t float64) float64 {
	switch {
	case t == 0 || a == b:
		return a
	case t >= 0.5:
		return b - (b-a)*(1-t)
	}
	return a + (b-a)*t
}
