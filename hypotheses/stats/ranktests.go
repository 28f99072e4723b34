package stats

import "math"

// Alternative says what a test is sensitive to.
type Alternative int

const (
	// TwoSided looks for a difference in either direction.
	TwoSided Alternative = iota
	// Less asks whether the first sample, or the differences, tend to be lower.
	Less
	// Greater asks whether they tend to be higher.
	Greater
)

// Method says which distribution a p-value comes from.
type Method int

const (
	// Auto is exact for small samples, as SciPy's method="auto".
	Auto Method = iota
	// Exact enumerates; ties are ignored, as in SciPy.
	Exact
	// Approximate is the normal approximation, corrected for ties.
	Approximate
)

// RankTest is the result of a test on ranks.
type RankTest struct {
	// N is the number of values or pairs that were ranked.
	N int
	// Statistic is what SciPy returns, see the test.
	Statistic float64
	P, Log10P float64
	// Exact says that P is of the exact distribution.
	Exact bool
}

// withLogP fills in both forms of the p-value, at most 1.
func (r RankTest) withLogP(lnP float64) RankTest {
	lnP = min(0, lnP)
	r.P, r.Log10P = math.Exp(lnP), lnP/math.Ln10
	return r
}

// lnNormalP is the natural logarithm of the p-value of a standard normal z.
func lnNormalP(z float64, alternative Alternative) float64 {
	switch alternative {
	case Less:
		return lnNormalBelow(z)
	case Greater:
		return lnNormalBelow(-z)
	}
	return lnNormalTail(z)
}
