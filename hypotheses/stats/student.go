package stats

import "math"

// StudentMean is the mean of independent values with Student's interval, mean ±
// t s/sqrt(n), t having n-1 degrees of freedom; StdErr is s/sqrt(n). One value has
// a mean and no interval.
func StudentMean(x []float64) Interval {
	n := len(x)
	if n == 0 || hasNaN(x) {
		return undefinedInterval(math.NaN(), n)
	}
	mean, variance := moments(x)
	return studentInterval(mean, math.Sqrt(variance/float64(n)), float64(n-1), n)
}

// WelchDifference is mean(x) - mean(y) of independent samples whose variances may
// differ, with Welch's interval (Biometrika 1947): Student's with the degrees of
// freedom of Satterthwaite.
func WelchDifference(x, y []float64) Interval {
	n := len(x) + len(y)
	if len(x) == 0 || len(y) == 0 || hasNaN(x, y) {
		return undefinedInterval(math.NaN(), n)
	}
	mx, vx := moments(x)
	my, vy := moments(y)
	vx, vy = vx/float64(len(x)), vy/float64(len(y))
	freedom := (vx + vy) * (vx + vy) / (vx*vx/float64(len(x)-1) + vy*vy/float64(len(y)-1))
	return studentInterval(mx-my, math.Sqrt(vx+vy), freedom, n)
}

func studentInterval(value, stdErr, freedom float64, n int) Interval {
	half := StudentQuantile(upperLevel, freedom) * stdErr
	return Interval{Value: value, Low: value - half, High: value + half, StdErr: stdErr, Units: n}
}

// moments are mean and variance (divisor n-1; NaN for one value).
func moments(x []float64) (mean, variance float64) {
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	for _, v := range x {
		d := v - mean
		variance += float64(d * d)
	}
	if len(x) < 2 {
		return mean, math.NaN()
	}
	return mean, variance / float64(len(x)-1)
}

// StudentQuantile is the value below which Student's t with that many degrees of
// freedom, which need not be whole, lies with probability p. NaN outside 0 < p < 1
// and without degrees of freedom.
func StudentQuantile(p, freedom float64) float64 {
	if !(p > 0 && p < 1) || !(freedom > 0) {
		return math.NaN()
	}
	if p < 0.5 {
		return -StudentQuantile(1-p, freedom)
	}
	want := math.Log(2 * (1 - p)) // two-sided tail
	tail := func(t float64) float64 { return lnBetaHalf(freedom/2, freedom/(freedom+t*t), t*t/(freedom+t*t)) }
	low, high := 0.0, 1.0
	for tail(high) > want {
		low, high = high, 2*high
	}
	for {
		middle := low + (high-low)/2
		if middle == low || middle == high {
			return middle
		}
		if tail(middle) > want {
			low = middle
		} else {
			high = middle
		}
	}
}
