package stats

import (
	"fmt"
	"math"
	"slices"
)

// BootstrapBCa is Bootstrap with the bias-corrected and accelerated interval (Efron,
// J. Amer. Statist. Assoc. 1987), see BCa.
func BootstrapBCa(n, resamples int, seed uint64, statistic func(sample []int) float64) (Interval, error) {
	if err := checkResamples(resamples); err != nil {
		return Interval{}, err
	}
	if err := checkSize(n); err != nil {
		return Interval{}, err
	}
	if n <= 0 {
		return undefinedInterval(math.NaN(), 0), nil
	}
	values := forEachResample(resamples, seed, func() func(*source) float64 {
		sample := make([]int, n)
		return func(random *source) float64 {
			for i := range sample {
				sample[i] = random.below(n)
			}
			return statistic(sample)
		}
	})
	return bcaInterval(n, values, statistic), nil
}

// BCa is the bias-corrected and accelerated 95 % interval of a statistic of n points
// on given resamples, each a list of indexes from 0 to n-1:
// scipy.stats.bootstrap(method="BCa", confidence_level=0.95) of SciPy 1.10 on the
// same resamples. The bias correction counts resamples that equal the statistic
// half; the acceleration is of the jackknife (Efron and Tibshirani, An Introduction
// to the Bootstrap, 1993, section 14.3).
//
// The interval is NaN, as there, if all resamples lie on one side of the statistic
// or the jackknife's values are all equal. An index out of range is an error.
func BCa(n int, resamples [][]int, statistic func(sample []int) float64) (Interval, error) {
	if err := checkResamples(len(resamples)); err != nil {
		return Interval{}, err
	}
	values := make([]float64, len(resamples))
	for b, sample := range resamples {
		for _, i := range sample {
			if i < 0 || i >= n {
				return Interval{}, fmt.Errorf("%w: resample %d draws point %d of %d", ErrRange, b, i, n)
			}
		}
		values[b] = statistic(sample)
	}
	if n <= 0 {
		return undefinedInterval(math.NaN(), 0), nil
	}
	return bcaInterval(n, values, statistic), nil
}

// bcaInterval takes the interval from the statistics of the resamples, which it
// reorders.
func bcaInterval(n int, values []float64, statistic func(sample []int) float64) Interval {
	out := percentileInterval(statistic(identity(n)), values, n)
	defined := values[:len(values)-out.Undefined]
	below := 0.0
	for _, v := range defined {
		switch {
		case v < out.Value:
			below++
		case v == out.Value:
			below += 0.5
		}
	}
	bias := NormalQuantile(below / float64(len(defined)))
	acceleration := jackknifeAcceleration(n, statistic)
	level := func(p float64) float64 {
		z := bias + NormalQuantile(p)
		return math.Exp(lnNormalBelow(bias + z/(1-acceleration*z)))
	}
	out.Low = sortedQuantile(defined, level(lowerLevel))
	out.High = sortedQuantile(defined, level(upperLevel))
	return out
}

// jackknifeAcceleration is a sixth of the skewness of the jackknife's influences.
func jackknifeAcceleration(n int, statistic func(sample []int) float64) float64 {
	left := make([]float64, n)
	for i := range left {
		left[i] = statistic(slices.Delete(identity(n), i, i+1))
	}
	center := mean(left)
	var squares, cubes float64
	for _, v := range left {
		u := center - v
		squares += u * u
		cubes += u * u * u
	}
	return cubes / (6 * squares * math.Sqrt(squares))
}
