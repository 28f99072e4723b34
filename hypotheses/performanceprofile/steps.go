package performanceprofile

import (
	"math"
	"slices"
)

// steps is rho of a method: the ratios of its tasks, sorted. An infinite one is of a
// task that the method never solves.
type steps []float64

// upTo counts the tasks with a ratio of at most tau.
func (s steps) upTo(tau float64) int {
	n, _ := slices.BinarySearchFunc(s, tau, func(ratio, tau float64) int {
		if ratio <= tau {
			return -1
		}
		return 1
	})
	return n
}

// rho is the share of tasks with a ratio of at most tau.
func (s steps) rho(tau float64) float64 { return float64(s.upTo(tau)) / float64(len(s)) }

// area is the mean of rho from 1 to end; NaN where there is no axis.
func (s steps) area(end float64) float64 {
	sum := 0.0
	for _, ratio := range s {
		if ratio < end {
			sum += end - ratio
		}
	}
	return sum / (end - 1) / float64(len(s))
}

// largest is the largest finite ratio of several methods, at least 1: where the axis
// ends.
func largest(all []steps) float64 {
	end := 1.0
	for _, s := range all {
		for _, ratio := range s {
			if !math.IsInf(ratio, 1) {
				end = max(end, ratio)
			}
		}
	}
	return end
}

// stretch is a part of the axis, from included to to excluded, on which the order of
// two methods stays the same: the sign of rho of the first minus that of the second.
// The last one begins where the axis ends, and has no length.
type stretch struct {
	from, to float64
	sign     int
}

// compare cuts the axis at the ratios of two methods of the same tasks.
func compare(a, b steps, end float64) []stretch {
	cuts := []float64{1, end}
	for _, s := range []steps{a, b} {
		for _, ratio := range s {
			if ratio < end {
				cuts = append(cuts, ratio)
			}
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	out := make([]stretch, len(cuts))
	for i, from := range cuts {
		to := end
		if i+1 < len(cuts) {
			to = cuts[i+1]
		}
		out[i] = stretch{from, to, sign(a.upTo(from) - b.upTo(from))}
	}
	return out
}

func sign(n int) int { return min(1, max(-1, n)) }

// below is the share of the axis on which a lies below b; NaN where there is no axis.
func below(a, b steps, end float64) float64 {
	length := 0.0
	for _, s := range compare(a, b, end) {
		if s.sign < 0 {
			length += s.to - s.from
		}
	}
	return length / (end - 1)
}

// belowLog is below on a logarithmic axis.
func belowLog(a, b steps, end float64) float64 {
	length := 0.0
	for _, s := range compare(a, b, end) {
		if s.sign < 0 {
			length += math.Log(s.to / s.from)
		}
	}
	return length / math.Log(end)
}

// crossings are the tau at which a rises above b after it was below.
func crossings(a, b steps, end float64) []float64 {
	var out []float64
	before := 0
	for _, s := range compare(a, b, end) {
		if s.sign > 0 && before < 0 {
			out = append(out, s.from)
		}
		if s.sign != 0 {
			before = s.sign
		}
	}
	return out
}
