package stats

import (
	"fmt"
	"math"
)

// InfluenceInterval is the normal 95 % interval of a statistic for another draw of
// classes, from the influence of each point: the derivative of the statistic by the
// point's weight where all weights are 1. Influences are summed by class, and the
// variance is C/(C-1) times the sum of their squares over the C classes (the
// nonparametric delta method: Davison and Hinkley, Bootstrap Methods, 1997,
// section 2.7). class[i] is any label of the class of point i.
//
// It is for statistics of pairs of points, such as those along the edges of a graph.
// A bootstrap would draw a class twice and so count the pairs within a class, which
// are the most alike, too often: its resamples lie to one side of the value.
//
// A NaN, no point or a single class leave the value without an interval.
func InfluenceInterval(value float64, influence []float64, class []int) (Interval, error) {
	if len(class) != len(influence) {
		return Interval{}, fmt.Errorf("%w: %d influences and %d class labels", ErrLength, len(influence), len(class))
	}
	ids, count := classIDs(class)
	if math.IsNaN(value) || count < 2 || hasNaN(influence) {
		return undefinedInterval(value, count), nil
	}
	sums := make([]float64, count)
	for i, v := range influence {
		sums[ids[i]] += v
	}
	se := clusteredError(sums)
	half := NormalQuantile(upperLevel) * se
	return Interval{Value: value, Low: value - half, High: value + half, StdErr: se, Units: count}, nil
}
