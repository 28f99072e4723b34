package stats

import "math"

// PearsonClustered is Pearson's r with the 95 % percentile interval for another draw
// of classes: resamples times, as many classes as there are are drawn with
// replacement, each with all its members. class[i] is any label of the class of
// point i.
//
// It is ClusterBootstrap of Pearson, from the sums of each class, so that a resample
// costs O(classes). Fewer than 2 pairs, a constant sample, a NaN or an infinite value
// give NaN.
func PearsonClustered(x, y []float64, class []int, resamples int, seed uint64) (Interval, error) {
	if err := checkClustered(x, y, class); err != nil {
		return Interval{}, err
	}
	if err := checkResamples(resamples); err != nil {
		return Interval{}, err
	}
	ids, count := classIDs(class)
	r, err := Pearson(x, y)
	if err != nil || math.IsNaN(r.Value) {
		return undefinedInterval(math.NaN(), count), err
	}
	sums := make([]moment, count)
	dx, dy := deviations(x), deviations(y)
	for i, id := range ids {
		sums[id].add(moment{1, dx[i], dy[i], dx[i] * dx[i], dy[i] * dy[i], dx[i] * dy[i]})
	}
	values := forEachResample(resamples, seed, func() func(*source) float64 {
		return func(random *source) float64 {
			var total moment
			for range sums {
				total.add(sums[random.below(count)])
			}
			return total.pearson()
		}
	})
	return percentileInterval(r.Value, values, count), nil
}

// moment holds sums over points: of 1, x, y, their squares and their product.
type moment struct{ n, x, y, xx, yy, xy float64 }

func (m *moment) add(other moment) {
	m.n += other.n
	m.x += other.x
	m.y += other.y
	m.xx += other.xx
	m.yy += other.yy
	m.xy += other.xy
}

// pearson is r of the points, whose values are deviations from a mean nearby, so that
// the differences lose few digits. Where one sample is constant, what is left of it is
// rounding, and there is no r.
func (m moment) pearson() float64 {
	xx, yy := m.xx-m.x*m.x/m.n, m.yy-m.y*m.y/m.n
	if !(xx > 1e-12*m.xx) || !(yy > 1e-12*m.yy) {
		return math.NaN()
	}
	return clampUnit((m.xy - m.x*m.y/m.n) / math.Sqrt(xx*yy))
}
