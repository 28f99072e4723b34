package landscape

import (
	"math"
	"slices"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
)

// autocorrelations are those of a random walk's values at lags 1, 2 ..: the walk
// being at each architecture as often, that at lag k is the covariance of a value
// and what is expected k steps on, over the variance. A constant has none.
func (g *graph) autocorrelations(values []float64, lags int) []statistic {
	d := deviations(values)
	n := len(d)
	squares := make([]float64, n)
	for i, v := range d {
		squares[i] = v * v
	}
	variance := meanOf(squares)
	out := make([]statistic, lags)
	ahead := d
	for lag, arrival := range arrivals(lags) {
		ahead = g.step(ahead)
		p := pairs{sum: make([]float64, n), count: ones(n), inner: make([]float64, n), innerCount: make([]float64, n)}
		for i, v := range d {
			p.sum[i] = v * ahead[i]
			for _, k := range g.kin[i] {
				p.inner[i] += arrival[k.distance] * v * d[k.architecture]
				p.innerCount[i] += arrival[k.distance]
			}
		}
		out[lag] = p.mean().over(variance)
	}
	return out
}

// deviations are those from the mean; all 0 exactly where the values are equal.
func deviations(values []float64) []float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	mean := sum / float64(len(values))
	out := make([]float64, len(values))
	if slices.Min(values) == slices.Max(values) {
		return out
	}
	for i, v := range values {
		out[i] = v - mean
	}
	return out
}

// correlationLength is -1/ln of the autocorrelation at lag 1: the steps after
// which it has fallen to 1/e if it falls exponentially. It does not exist where
// neighbours are not correlated.
func correlationLength(first stats.Interval) stats.Interval {
	length := func(rho float64) float64 {
		if !(rho > 0 && rho < 1) {
			return math.NaN()
		}
		return -1 / math.Log(rho)
	}
	out := first
	out.Value, out.Low, out.High = length(first.Value), length(first.Low), length(first.High)
	if math.IsNaN(out.Value) {
		out.Low, out.High = math.NaN(), math.NaN()
	}
	return out
}
