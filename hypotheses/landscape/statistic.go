package landscape

import (
	"math"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
)

// statistic is a number and what each architecture adds to the influence of its
// class: the derivative of the number by the class's weight.
type statistic struct {
	value     float64
	influence []float64
}

// meanOf is the mean of one value an architecture.
func meanOf(values []float64) statistic {
	return meanWhere(values, ones(len(values)))
}

// meanWhere is a mean over what the architectures contribute: sums of so many.
func meanWhere(sums, counts []float64) statistic {
	return pairs{sum: sums, count: counts, inner: sums, innerCount: counts}.mean()
}

// pairs hold sums over ordered pairs of architectures, parted by the pairs' first:
// over all pairs, and over those within a class.
type pairs struct {
	sum, count, inner, innerCount []float64
}

// mean is that over all pairs. A pair of two classes has the weights of both as
// factors, and each of them sees it from either end; a pair within a class has its
// class's weight once.
func (p pairs) mean() statistic {
	total, n := 0.0, 0.0
	for i := range p.sum {
		total += p.sum[i]
		n += p.count[i]
	}
	s := statistic{total / n, make([]float64, len(p.sum))}
	for i := range p.sum {
		s.influence[i] = (2*p.sum[i] - p.inner[i] - s.value*(2*p.count[i]-p.innerCount[i])) / n
	}
	return s
}

func (s statistic) minus(t statistic) statistic {
	out := statistic{s.value - t.value, make([]float64, len(s.influence))}
	for i := range out.influence {
		out.influence[i] = s.influence[i] - t.influence[i]
	}
	return out
}

// over is the quotient, with the influences of the quotient rule.
func (s statistic) over(t statistic) statistic {
	out := statistic{s.value / t.value, make([]float64, len(s.influence))}
	for i := range out.influence {
		out.influence[i] = (s.influence[i] - out.value*t.influence[i]) / t.value
	}
	return out
}

// pearson is the correlation of two samples.
func pearson(x, y []float64) statistic {
	dx, dy := deviations(x), deviations(y)
	n := len(x)
	xx, yy, xy := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		xx[i], yy[i], xy[i] = dx[i]*dx[i], dy[i]*dy[i], dx[i]*dy[i]
	}
	vx, vy, covariance := meanOf(xx), meanOf(yy), meanOf(xy)
	root := math.Sqrt(vx.value * vy.value)
	out := statistic{covariance.value / root, make([]float64, n)}
	for i := range n {
		out.influence[i] = covariance.influence[i]/root - out.value/2*(vx.influence[i]/vx.value+vy.influence[i]/vy.value)
	}
	return out
}

// intervals makes intervals for another draw of classes. It keeps the first error.
type intervals struct {
	class []int
	err   error
}

func (v *intervals) of(s statistic) stats.Interval {
	if math.IsInf(s.value, 0) {
		s.value = math.NaN()
	}
	i, err := stats.InfluenceInterval(s.value, s.influence, v.class)
	if v.err == nil {
		v.err = err
	}
	return i
}

// correlations have intervals within -1 and 1.
func (v *intervals) correlations(list ...statistic) []stats.Interval {
	out := make([]stats.Interval, len(list))
	for i, s := range list {
		out[i] = v.of(s)
		out[i].Low, out[i].High = max(out[i].Low, -1), min(out[i].High, 1)
	}
	return out
}

// ones are n counts of 1.
func ones(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 1
	}
	return out
}
