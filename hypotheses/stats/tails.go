package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// NormalQuantile is the inverse of the standard normal distribution function,
// scipy.special.ndtri: ±Inf at 0 and 1, NaN outside [0, 1].
func NormalQuantile(p float64) float64 {
	switch {
	case !(p >= 0 && p <= 1):
		return math.NaN()
	case p == 0:
		return math.Inf(-1)
	case p == 1:
		return math.Inf(1)
	}
	return mathext.NormalQuantile(p)
}

// lnNormalTail is the natural logarithm of P[|Z| >= |z|] of a standard normal Z.
// From |z| = 5 on it uses Laplace's continued fraction for Mills' ratio
// (Abramowitz and Stegun 26.2.14), which 60 terms evaluate to full precision.
func lnNormalTail(z float64) float64 {
	z = math.Abs(z)
	if z < 5 {
		return math.Log(math.Erfc(z / math.Sqrt2))
	}
	if math.IsInf(z, 1) {
		return math.Inf(-1)
	}
	fraction := z
	for k := 60; k >= 1; k-- {
		fraction = z + float64(k)/fraction
	}
	return math.Ln2 - z*z/2 - math.Log(2*math.Pi)/2 - math.Log(fraction)
}

// lnCorrelationTail is the natural logarithm of the two-sided p-value of a
// correlation r of n >= 3 independent pairs:
//
//	P[|R| >= |r|] = I_{1-r^2}(n/2 - 1, 1/2),
//
// I being the regularised incomplete beta function. The t test on n-2 degrees
// of freedom (Spearman) and the beta test (Pearson) are this same number.
func lnCorrelationTail(r float64, n int) float64 {
	return lnBetaHalf(float64(n)/2-1, (1-r)*(1+r), r*r)
}

// lnBetaHalf is ln I_x(a, 1/2), with y = 1-x given separately so that neither
// end loses digits. It sums the continued fraction of NIST DLMF 8.17.22 on the
// side of the mean where it converges fast, all factors in log space.
func lnBetaHalf(a, x, y float64) float64 {
	switch {
	case math.IsNaN(x) || math.IsNaN(y):
		return math.NaN()
	case x <= 0:
		return math.Inf(-1)
	case y <= 0:
		return 0
	}
	lnX := math.Log(x)
	if y < 0.5 {
		lnX = math.Log1p(-y)
	}
	lnFront := a*lnX + math.Log(y)/2 + lnGammaHalfStep(a) - math.Log(math.Pi)/2
	if x < (a+1)/(a+2.5) {
		return lnFront - math.Log(a) + math.Log(betaFraction(a, 0.5, x))
	}
	complement := 2 * math.Exp(lnFront) * betaFraction(0.5, a, y)
	return math.Log1p(-complement)
}

// lnGammaHalfStep is ln(Gamma(a+1/2)/Gamma(a)). For large a the difference of
// two log-gammas would cancel; the series is that of Tricomi and Erdélyi
// (Pacific J. Math. 1951), its first omitted term below 1e-15 from a = 30 on.
func lnGammaHalfStep(a float64) float64 {
	if a < 30 {
		upper, _ := math.Lgamma(a + 0.5)
		lower, _ := math.Lgamma(a)
		return upper - lower
	}
	inverse := 1 / a
	square := inverse * inverse
	series := -1.0/8 + square*(1.0/192+square*(-1.0/640+square*(17.0/14336)))
	return math.Log(a)/2 + inverse*series
}

// betaFraction is the continued fraction of the incomplete beta function, by
// the modified Lentz method. It needs about sqrt(max(a, b)) steps.
func betaFraction(a, b, x float64) float64 {
	const (
		precision = 1e-15
		tiny      = 1e-300
		maxSteps  = 1_000_000
	)
	c, d := 1.0, 1/nonZero(1-(a+b)*x/(a+1), tiny)
	value := d
	for m := 1.0; m < maxSteps; m++ {
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / nonZero(1+even*d, tiny)
		c = nonZero(1+even/c, tiny)
		value *= d * c
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / nonZero(1+odd*d, tiny)
		c = nonZero(1+odd/c, tiny)
		step := d * c
		value *= step
		if math.Abs(step-1) < precision {
			break
		}
	}
	return value
}

// lnGammaTail is the natural logarithm of the regularised upper incomplete gamma
// function Q(a, x); of chi-squared on nu degrees of freedom the upper tail at s is
// Q(nu/2, s/2). It sums the series of NIST DLMF 8.7.1 below the mean and the
// continued fraction 8.9.2 above it.
func lnGammaTail(a, x float64) float64 {
	switch {
	case math.IsNaN(a) || math.IsNaN(x):
		return math.NaN()
	case x <= 0:
		return 0
	case math.IsInf(x, 1):
		return math.Inf(-1)
	}
	lnGamma, _ := math.Lgamma(a)
	lnFront := a*math.Log(x) - x - lnGamma
	if x < a+1 {
		total, term := 1/a, 1/a
		for i := 1.0; term > 1e-17*total; i++ {
			term *= x / (a + i)
			total += term
		}
		return math.Log1p(-total * math.Exp(lnFront))
	}
	return lnFront + math.Log(gammaFraction(a, x))
}

// gammaFraction is the continued fraction of the upper incomplete gamma function,
// by the modified Lentz method.
func gammaFraction(a, x float64) float64 {
	const (
		precision = 1e-15
		tiny      = 1e-300
		maxSteps  = 1_000_000
	)
	b := x + 1 - a
	c, d := 1/tiny, 1/nonZero(b, tiny)
	value := d
	for i := 1.0; i < maxSteps; i++ {
		step := i * (a - i)
		b += 2
		d = 1 / nonZero(step*d+b, tiny)
		c = nonZero(b+step/c, tiny)
		value *= d * c
		if math.Abs(d*c-1) < precision {
			break
		}
	}
	return value
}

// nonZero is v, or tiny where v is too close to zero to divide by.
func nonZero(v, tiny float64) float64 {
	if math.Abs(v) < tiny {
		return tiny
	}
	return v
}
