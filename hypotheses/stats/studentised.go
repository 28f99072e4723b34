package stats

import "math"

// MaxGroups is the largest number of groups of a studentised range.
const MaxGroups = 1000

// manyFreedom is where degrees of freedom count as infinite, as in SciPy.
const manyFreedom = 100_000

// StudentisedRange is the distribution of the range of Groups independent standard
// normal values over an independent estimate of their standard deviation with
// Freedom degrees of freedom: scipy.stats.studentized_range(Groups, Freedom).
// Infinite freedom is the range itself; from 100,000 on it counts as infinite.
//
// With other than 2 to MaxGroups groups, less than one degree of freedom, or NaN,
// all results are NaN.
type StudentisedRange struct {
	Groups  int
	Freedom float64
}

// Tail is P[Q >= q]. log10P does not underflow.
func (d StudentisedRange) Tail(q float64) (p, log10P float64) {
	ln := d.lnTail(q)
	return math.Exp(ln), ln / math.Ln10
}

// CDF is P[Q <= q].
func (d StudentisedRange) CDF(q float64) float64 {
	if tail := math.Exp(d.lnTail(q)); !(tail > 0.5) {
		return 1 - tail
	}
	return math.Exp(d.lnBelow(q))
}

// Quantile is the q with P[Q <= q] = p: 0 for p = 0, +Inf for p = 1.
func (d StudentisedRange) Quantile(p float64) float64 {
	switch {
	case !d.valid() || !(p >= 0 && p <= 1):
		return math.NaN()
	case p == 0:
		return 0
	case p == 1:
		return math.Inf(1)
	}
	excess := func(q float64) float64 { return d.lnBelow(q) - math.Log(p) }
	if p > 0.5 {
		excess = func(q float64) float64 { return math.Log1p(-p) - d.lnTail(q) }
	}
	low, high := 0.0, 1.0
	for excess(high) < 0 {
		low, high = high, 2*high
	}
	for low == 0 && excess(high/2) > 0 {
		high /= 2
	}
	return rootBetween(excess, max(low, high/2), high)
}

// rootBetween finds where a rising f crosses 0 between low and high, by false
// position with the Illinois rule (Dowell and Jarratt, BIT 1971): of an end that
// stays twice, the value is halved.
func rootBetween(f func(float64) float64, low, high float64) float64 {
	atLow, atHigh := f(low), f(high)
	for high-low > 1e-13*high {
		middle := low - atLow*(high-low)/(atHigh-atLow)
		if !(middle > low && middle < high) {
			break
		}
		switch at := f(middle); {
		case at == 0:
			return middle
		case at < 0:
			low, atLow, atHigh = middle, at, atHigh/2
		default:
			high, atHigh, atLow = middle, at, atLow/2
		}
	}
	if -atLow < atHigh {
		return low
	}
	return high
}

func (d StudentisedRange) valid() bool {
	return d.Groups >= 2 && d.Groups <= MaxGroups && d.Freedom >= 1
}

// lnTail is ln P[Q >= q].
func (d StudentisedRange) lnTail(q float64) float64 {
	switch {
	case !d.valid() || math.IsNaN(q):
		return math.NaN()
	case q <= 0:
		return 0
	case math.IsInf(q, 1):
		return math.Inf(-1)
	}
	return min(0, d.overDeviation(q, lnRangeTail))
}

// lnBelow is ln P[Q <= q].
func (d StudentisedRange) lnBelow(q float64) float64 {
	switch {
	case !d.valid() || math.IsNaN(q):
		return math.NaN()
	case q <= 0:
		return math.Inf(-1)
	case math.IsInf(q, 1):
		return 0
	}
	return min(0, d.overDeviation(q, lnRangeBelow))
}

// overDeviation takes the mean of a probability of the range q s over the
// estimated standard deviation s: nu s^2 is chi-squared. With t = ln s its density
// is that of exp(a(2t - exp(2t))), a = nu/2.
func (d StudentisedRange) overDeviation(q float64, lnRange func(q float64, groups int) float64) float64 {
	if d.Freedom >= manyFreedom {
		return lnRange(q, d.Groups)
	}
	a := d.Freedom / 2
	lnGamma, _ := math.Lgamma(a)
	front := math.Ln2 + a*math.Log(a) - a - lnGamma
	density := func(t float64) float64 {
		return front + a*(2*t-math.Expm1(2*t)) + lnRange(q*math.Exp(t), d.Groups)
	}
	// A tail like exp(-q^2 s^2/4) moves the peak below the density's mode at t = 0,
	// a growth no faster than that of s to the power of groups moves it above.
	low := -math.Log(math.Hypot(1, q/(2*math.Sqrt(a)))) - 1
	high := math.Log1p(float64(d.Groups)/a)/2 + 1
	return lnIntegral(density, low, high, min(0.1, 0.3/math.Sqrt(a)))
}

// lnRangeTail is ln P[range of standard normal values >= q], which is
//
//	k times the integral of phi(z) (Phi(z)^(k-1) - (Phi(z) - Phi(z-q))^(k-1)),
//
// z being the largest value. Written so, nothing cancels. Far out only one pair at a
// time is that far apart: the sum over pairs is then exact.
func lnRangeTail(q float64, groups int) float64 {
	others := float64(groups - 1)
	switch {
	case q < 1e-17:
		return 0
	case q > 30:
		return math.Log(float64(groups)*others/2) + lnNormalTail(q/math.Sqrt2)
	}
	integrand := func(z float64) float64 {
		lnBelow := lnNormalBelow(z)
		lnShare := lnNormalBelow(z-q) - lnBelow // of those below z, also below z-q
		lnSome := math.Log(others) + lnShare    // that any of the others is
		if lnShare > -36-math.Log(others) {
			lnSome = math.Log(-math.Expm1(others * math.Log1p(-math.Exp(lnShare))))
		}
		return lnNormalDensity(z) + others*lnBelow + lnSome
	}
	return math.Log(float64(groups)) + lnIntegral(integrand, -10, q/2+10, rangeStep(groups))
}

// lnRangeBelow is ln P[range <= q], k times the integral of
// phi(z) (Phi(z) - Phi(z-q))^(k-1); for small q the difference is q phi(z-q/2).
func lnRangeBelow(q float64, groups int) float64 {
	integrand := func(z float64) float64 {
		if q < 1e-6 {
			return lnNormalDensity(z) + float64(groups-1)*(math.Log(q)+lnNormalDensity(z-q/2))
		}
		high, low := z, z-q
		if high+low > 0 {
			high, low = -low, -high
		}
		lnHigh := lnNormalBelow(high)
		between := lnHigh + math.Log(-math.Expm1(lnNormalBelow(low)-lnHigh))
		return lnNormalDensity(z) + float64(groups-1)*between
	}
	return math.Log(float64(groups)) + lnIntegral(integrand, -10, min(q, 20)/2+10, rangeStep(groups))
}

// rangeStep is the step of the trapezoidal rule over z: the integrands are entire
// and grow as exp(k y^2/2) off the real axis, so that the rule's error is about
// exp(-2 pi^2/(k h^2)), here below 1e-17.
func rangeStep(groups int) float64 { return 0.7 / math.Sqrt(float64(groups)) }

func lnNormalDensity(z float64) float64 { return -z*z/2 - math.Log(2*math.Pi)/2 }

// lnNormalBelow is ln Phi(z).
func lnNormalBelow(z float64) float64 {
	switch {
	case z > 0:
		return math.Log1p(-math.Erfc(z/math.Sqrt2) / 2)
	case z > -25: // where Erfc has all its digits, it is faster
		return math.Log(math.Erfc(-z/math.Sqrt2) / 2)
	}
	return lnNormalTail(z) - math.Ln2
}

// lnIntegral is the logarithm of the integral over the line of exp(f), by the
// trapezoidal rule. f has one peak, between low and high, and falls off at least
// linearly from there.
func lnIntegral(f func(float64) float64, low, high, step float64) float64 {
	for high-low > step {
		third := (high - low) / 3
		if f(low+third) < f(high-third) {
			low += third
		} else {
			high -= third
		}
	}
	peak := low + (high-low)/2
	top := f(peak)
	if math.IsInf(top, -1) || math.IsNaN(top) {
		return top
	}
	total := 1.0
	for _, direction := range []float64{-step, step} {
		for i := 1.0; ; i++ {
			term := math.Exp(f(peak+i*direction) - top)
			total += term
			if !(term > 1e-18*total) {
				break
			}
		}
	}
	return top + math.Log(total*step)
}
