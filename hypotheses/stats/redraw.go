package stats

import (
	"fmt"
	"math"
)

// NormalRedraws draws samples in which value i is normal with mean[i] and standard
// deviation stdErr[i], all independent: the parametric bootstrap (Efron and
// Tibshirani, An Introduction to the Bootstrap, 1993, section 6.5) of numbers of
// which only mean and standard error are known. The result has one sample a row. A
// value without error stays as it is; one with a NaN is NaN in every sample.
func NormalRedraws(mean, stdErr []float64, resamples int, seed uint64) ([][]float64, error) {
	if err := checkResamples(resamples); err != nil {
		return nil, err
	}
	if err := checkPaired(mean, stdErr); err != nil {
		return nil, err
	}
	for i, s := range stdErr {
		if s < 0 {
			return nil, fmt.Errorf("%w: standard error %v of value %d, at least 0", ErrRange, s, i)
		}
	}
	samples := make([][]float64, resamples)
	forEachStream(resamples, seed, func() func(int, *source) {
		return func(b int, random *source) {
			sample := make([]float64, len(mean))
			for i, m := range mean {
				sample[i] = m + stdErr[i]*random.normal()
			}
			samples[b] = sample
		}
	})
	return samples, nil
}

// normal is a standard normal number, by the inverse of the distribution function.
// The 52 bits of the uniform number and the half added to them keep it strictly
// inside (0, 1), and what is computed from it exact.
func (s *source) normal() float64 {
	u := (float64(s.pcg.Uint64()>>12) + 0.5) / (1 << 52)
	return math.Sqrt2 * math.Erfinv(2*u-1)
}

// PercentileInterval is the interval of a statistic from its values on resamples:
// their 2.5 % and 97.5 % quantiles. Undefined values are left out and counted.
// units is what is redrawn. resampled is reordered.
func PercentileInterval(value float64, resampled []float64, units int) Interval {
	return percentileInterval(value, resampled, units)
}
