package stats

import "math"

// Spearman is Spearman's rho: Pearson's r of average ranks, with the p-value of
// scipy.stats.spearmanr (t = r sqrt((n-2)/(1-r^2)) on n-2 degrees of freedom).
//
// Fewer than 2 pairs or a constant sample give NaN; exactly 2 pairs give ±1
// with p NaN, as there. The sums are of integers and exact up to n = 200,000, so
// that a perfect correlation is exactly ±1 with p = 0, where SciPy may give
// 0.9999999999999999 and a p that reflects that rounding. SciPy 1.10 takes a
// sample with both infinities for one with a NaN; here it has ranks.
func Spearman(x, y []float64) (Correlation, error) {
	if err := checkPaired(x, y); err != nil {
		return Correlation{}, err
	}
	n := len(x)
	if n < 2 || hasNaN(x, y) {
		return undefined(n), nil
	}
	c := Correlation{N: n, Value: rankCosine(newOrdering(x), newOrdering(y))}
	if n == 2 {
		c.P, c.Log10P = math.NaN(), math.NaN()
		return c, nil
	}
	return c.withLogP(lnCorrelationTail(c.Value, n)), nil
}

// rankCosine is Pearson's r of the ranks that two orderings give. It is NaN if
// either has a single group.
func rankCosine(x, y ordering) float64 {
	if x.groups() < 2 || y.groups() < 2 {
		return math.NaN()
	}
	rx, ry := x.centredRanks(), y.centredRanks()
	var xy float64
	for i, g := range x.group {
		xy += rx[g] * ry[y.group[i]]
	}
	return clampUnit(xy / math.Sqrt(x.squares(rx)*y.squares(ry)))
}

// centredRanks gives for each group twice its rank less twice the mean rank,
// an integer.
func (o ordering) centredRanks() []float64 {
	n := len(o.at)
	ranks := make([]float64, o.groups())
	for g := range ranks {
		ranks[g] = float64(int(o.start[g]) + int(o.start[g+1]) - n)
	}
	return ranks
}

// squares sums the squares of a value per group over all points.
func (o ordering) squares(perGroup []float64) float64 {
	var sum float64
	for g, v := range perGroup {
		sum += float64(o.size(int32(g))) * v * v
	}
	return sum
}
