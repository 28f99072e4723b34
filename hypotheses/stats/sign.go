package stats

import "math"

// SignTest is the two-sided p-value of the sign test (Arbuthnott, 1710; Conover,
// Practical Nonparametric Statistics, section 3.4): of n = higher + lower pairs that
// are not tied, each is as likely to fall either way. It equals
// scipy.stats.binomtest(higher, higher + lower, 0.5).pvalue, is 1 without pairs, and
// NaN for negative counts.
func SignTest(higher, lower int) float64 {
	if higher < 0 || lower < 0 {
		return math.NaN()
	}
	n := float64(higher + lower)
	least := min(higher, lower)
	whole, _ := math.Lgamma(n + 1)
	tail := 0.0
	for i := range least + 1 {
		a, _ := math.Lgamma(float64(i) + 1)
		b, _ := math.Lgamma(n - float64(i) + 1)
		tail += math.Exp(whole - a - b - n*math.Ln2)
	}
	return min(1, 2*tail)
}
