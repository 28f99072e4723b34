package stats

import "math"

// Pearson is the product-moment correlation with the p-value of
// scipy.stats.pearsonr: under independence and normality r follows a beta
// distribution with a = b = n/2 - 1 on [-1, 1] (Student, Biometrika 1908).
//
// Fewer than 2 pairs (where SciPy raises), a constant sample and an infinite
// value give NaN; exactly 2 pairs give r = ±1 with p = 1.
func Pearson(x, y []float64) (Correlation, error) {
	if err := checkPaired(x, y); err != nil {
		return Correlation{}, err
	}
	n := len(x)
	if n < 2 || hasNaN(x, y) || hasInf(x, y) || isConstant(x) || isConstant(y) {
		return undefined(n), nil
	}
	dx, dy := deviations(x), deviations(y)
	c := Correlation{N: n, Value: cosine(dx, dy)}
	if n == 2 {
		c.Value = math.Copysign(1, c.Value)
		return c.withLogP(0), nil
	}
	return c.withLogP(lnCorrelationTail(c.Value, n)), nil
}

// PearsonInterval is the 95 % interval of a Pearson coefficient r of n pairs by
// Fisher's z-transform (Fisher, Metron 1921), as in
// scipy.stats.pearsonr(...).confidence_interval(). Fewer than 4 pairs say
// nothing: the interval is then [-1, 1]. StdErr is of z, not of r.
func PearsonInterval(r float64, n int) Interval {
	if n < 4 && r == r {
		return Interval{Value: r, Low: -1, High: 1, StdErr: math.Inf(1), Units: n}
	}
	se := 1 / math.Sqrt(float64(n-3))
	half := NormalQuantile(upperLevel) * se
	z := math.Atanh(r)
	return Interval{Value: r, Low: math.Tanh(z - half), High: math.Tanh(z + half), StdErr: se, Units: n}
}

// PearsonDifference compares the Pearson coefficients of two independent samples by
// Fisher's z-transform (Fisher, Metron 1921): atanh(r1) - atanh(r2) with its normal 95
// % interval, and the two-sided p-value that they are equal. A sample of fewer than 4
// pairs, or a coefficient of ±1, leaves NaN or an infinite interval.
func PearsonDifference(first, second Correlation) (Interval, Correlation) {
	n := first.N + second.N
	value := math.Atanh(first.Value) - math.Atanh(second.Value)
	if first.N < 4 || second.N < 4 || math.IsNaN(value) {
		return undefinedInterval(value, n), Correlation{N: n, Value: value, P: math.NaN(), Log10P: math.NaN()}
	}
	se := math.Sqrt(1/float64(first.N-3) + 1/float64(second.N-3))
	half := NormalQuantile(upperLevel) * se
	i := Interval{Value: value, Low: value - half, High: value + half, StdErr: se, Units: n}
	return i, Correlation{N: n, Value: value}.withLogP(lnNormalTail(value / se))
}

// deviations are the deviations from the mean, scaled by powers of two so that
// neither the sum nor the squares can overflow or vanish.
func deviations(x []float64) []float64 {
	d := scaled(x)
	center := mean(d)
	for i := range d {
		d[i] -= center
	}
	return scaled(d)
}

// scaled is x times the power of two that brings its largest magnitude into
// [0.5, 1); an exact operation but for values that are negligible beside it.
func scaled(x []float64) []float64 {
	var largest float64
	for _, v := range x {
		largest = max(largest, math.Abs(v))
	}
	_, exponent := math.Frexp(largest)
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.Ldexp(v, -exponent)
	}
	return out
}

// mean is the arithmetic mean by Neumaier's compensated summation.
func mean(x []float64) float64 {
	var sum, lost float64
	for _, v := range x {
		next := sum + v
		if math.Abs(sum) >= math.Abs(v) {
			lost += (sum - next) + v
		} else {
			lost += (v - next) + sum
		}
		sum = next
	}
	return (sum + lost) / float64(len(x))
}

// cosine is the cosine of the angle between two vectors, NaN if one is zero.
// The root is taken of the product: for u = ±v the result is exactly ±1.
func cosine(u, v []float64) float64 {
	var uu, vv, uv float64
	for i := range u {
		uu += u[i] * u[i]
		vv += v[i] * v[i]
		uv += u[i] * v[i]
	}
	return clampUnit(uv / math.Sqrt(uu*vv))
}

// hasInf reports whether any of the samples holds an infinity.
func hasInf(samples ...[]float64) bool {
	for _, sample := range samples {
		for _, v := range sample {
			if math.IsInf(v, 0) {
				return true
			}
		}
	}
	return false
}
