package stats

import "math"

// Correlation is a coefficient with the two-sided test of no association.
type Correlation struct {
	// N is the number of pairs.
	N int
	// Value is the coefficient, in [-1, 1], or NaN where it does not exist.
	Value float64
	// P is the two-sided p-value; 0 where it is below the smallest float64.
	P float64
	// Log10P is the decimal logarithm of the p-value. It does not underflow;
	// it is -Inf only for p = 0 (a perfect Spearman or Pearson correlation).
	Log10P float64
}

// undefined is the result for n pairs that have no coefficient.
func undefined(n int) Correlation {
	nan := math.NaN()
	return Correlation{N: n, Value: nan, P: nan, Log10P: nan}
}

// withLogP fills in both forms of the p-value from its natural logarithm.
func (c Correlation) withLogP(lnP float64) Correlation {
	c.P, c.Log10P = math.Exp(lnP), lnP/math.Ln10
	return c
}

// clampUnit limits a coefficient to [-1, 1], which rounding may leave.
func clampUnit(r float64) float64 { return max(-1, min(1, r)) }
