package stats

import (
	"fmt"
	"math"
)

// Holm adjusts p-values so that comparing each with a level bounds the chance of
// any false rejection (Holm, Scand. J. Statist. 1979): the p-values in their order,
// the i-th smallest of m times m-i+1, made monotone, at most 1; R's p.adjust(p,
// "holm"). A NaN or a value outside [0, 1] is an error.
func Holm(p []float64) ([]float64, error) {
	if err := checkProbabilities(p); err != nil {
		return nil, err
	}
	return holm(p, 1, func(v float64, factor float64) float64 { return v * factor }), nil
}

// HolmLog10 is Holm for decimal logarithms of p-values, which do not underflow.
func HolmLog10(log10P []float64) ([]float64, error) {
	if err := checkLogs(log10P); err != nil {
		return nil, err
	}
	return holm(log10P, 0, timesInLogs), nil
}

// BenjaminiHochberg adjusts p-values so that comparing each with a level bounds the
// expected share of false rejections, for independent tests (Benjamini and
// Hochberg, J. Roy. Statist. Soc. B 1995): the i-th smallest of m times m/i, made
// monotone from the largest down, at most 1; R's p.adjust(p, "BH"),
// scipy.stats.false_discovery_control of SciPy 1.11. A NaN or a value outside [0, 1]
// is an error.
func BenjaminiHochberg(p []float64) ([]float64, error) {
	if err := checkProbabilities(p); err != nil {
		return nil, err
	}
	return hochberg(p, 1, func(v float64, factor float64) float64 { return v * factor }), nil
}

// BenjaminiHochbergLog10 is BenjaminiHochberg for decimal logarithms.
func BenjaminiHochbergLog10(log10P []float64) ([]float64, error) {
	if err := checkLogs(log10P); err != nil {
		return nil, err
	}
	return hochberg(log10P, 0, timesInLogs), nil
}

func timesInLogs(v, factor float64) float64 { return v + math.Log10(factor) }

// holm steps down from the smallest value; certain is what p = 1 is.
func holm(values []float64, certain float64, times func(v, factor float64) float64) []float64 {
	out := make([]float64, len(values))
	largest := math.Inf(-1)
	for i, at := range newOrdering(values).at {
		largest = max(largest, min(certain, times(values[at], float64(len(values)-i))))
		out[at] = largest
	}
	return out
}

// hochberg steps up from the largest value.
func hochberg(values []float64, certain float64, times func(v, factor float64) float64) []float64 {
	out := make([]float64, len(values))
	order := newOrdering(values).at
	smallest := certain
	for i := len(order) - 1; i >= 0; i-- {
		smallest = min(smallest, times(values[order[i]], float64(len(values))/float64(i+1)))
		out[order[i]] = smallest
	}
	return out
}

func checkProbabilities(p []float64) error {
	for i, v := range p {
		if math.IsNaN(v) {
			return fmt.Errorf("%w: p-value %d", ErrNaN, i)
		}
		if v < 0 || v > 1 {
			return fmt.Errorf("%w: p-value %d is %v, from 0 to 1", ErrRange, i, v)
		}
	}
	return checkSize(len(p))
}

func checkLogs(log10P []float64) error {
	for i, v := range log10P {
		if math.IsNaN(v) {
			return fmt.Errorf("%w: log10 of p-value %d", ErrNaN, i)
		}
		if v > 0 {
			return fmt.Errorf("%w: log10 of p-value %d is %v, at most 0", ErrRange, i, v)
		}
	}
	return checkSize(len(log10P))
}
