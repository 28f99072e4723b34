package stats

import "math"

// exactKendallSize is the largest n for which SciPy's method="auto" uses the
// exact distribution whatever the counts.
const exactKendallSize = 33

// lnExactKendall is the natural logarithm of the exact two-sided p-value of
// Kendall's statistic without ties, smaller being the lesser of the numbers of
// concordant and of discordant pairs (Kendall, Rank Correlation Methods,
// chapter 5; the same value as SciPy's _kendall_p_exact). The tails that have a
// closed form are taken from it: n may then be any size.
func lnExactKendall(n int, smaller int64) float64 {
	switch {
	case n <= 2 || 4*smaller == int64(n)*int64(n-1):
		return 0
	case smaller == 0:
		return math.Ln2 - lnFactorial(n)
	case smaller == 1:
		return math.Ln2 - lnFactorial(n-1)
	}
	return math.Log(min(1, 2*inversionTail(n, int(smaller))))
}

// inversionTail is the probability that a random permutation of n has at most
// most inversions: the convolution of the uniform distributions on 0..j-1,
// j = 2..n, cut at most. All terms are positive, so nothing cancels.
func inversionTail(n, most int) float64 {
	chance := make([]float64, most+1)
	chance[0] = 1
	for j := 2; j <= n; j++ {
		for k := most; k >= 0; k-- {
			chance[k] = sum(chance[max(0, k-j+1):k+1]) / float64(j)
		}
	}
	return sum(chance)
}

// sum adds the values up in order.
func sum(x []float64) float64 {
	var total float64
	for _, v := range x {
		total += v
	}
	return total
}

// lnFactorial is ln(n!).
func lnFactorial(n int) float64 {
	v, _ := math.Lgamma(float64(n) + 1)
	return v
}
