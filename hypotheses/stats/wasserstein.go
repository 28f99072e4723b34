package stats

import "math"

// Wasserstein1 is the first Wasserstein (earth mover's) distance between two
// samples, the integral of |F - G| over the line: as
// scipy.stats.wasserstein_distance(x, y). The samples may differ in length. An
// empty sample (where SciPy raises) or a NaN gives NaN. Infinite values are at
// an infinite distance from all others and at none from themselves, where SciPy
// gives NaN.
func Wasserstein1(x, y []float64) float64 {
	if len(x) == 0 || len(y) == 0 || hasNaN(x, y) {
		return math.NaN()
	}
	xs, ys := sortedCopy(x), sortedCopy(y)
	nx, ny := float64(len(xs)), float64(len(ys))
	var distance float64
	i, j := 0, 0
	at := min(xs[0], ys[0])
	for i < len(xs) || j < len(ys) {
		next := nextValue(xs[i:], ys[j:])
		if gap := math.Abs(float64(i)/nx - float64(j)/ny); gap > 0 && next > at {
			distance += gap * (next - at)
		}
		at = next
		i, j = skip(xs, i, at), skip(ys, j, at)
	}
	return distance
}

// nextValue is the smaller head of two sorted samples, not both empty.
func nextValue(x, y []float64) float64 {
	switch {
	case len(x) == 0:
		return y[0]
	case len(y) == 0:
		return x[0]
	}
	return min(x[0], y[0])
}

// skip moves past the values that are at most v.
func skip(sorted []float64, i int, v float64) int {
	for i < len(sorted) && sorted[i] <= v {
		i++
	}
	return i
}
