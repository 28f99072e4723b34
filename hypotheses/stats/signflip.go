package stats

import (
	"fmt"
	"math"
)

// SignFlip is a test of the hypothesis that differences of pairs are symmetric
// about 0.
type SignFlip struct {
	// Mean is the mean difference.
	Mean float64
	// Greater is the one-sided p-value: the share of sign assignments whose mean is
	// at least as large. P is the two-sided one: twice the smaller one-sided, at
	// most 1.
	Greater, P float64
	// Flips is the number of assignments looked at; Exact says that they are all
	// there are. Otherwise they are drawn, and the one at hand counts as one of them.
	Flips int
	Exact bool
}

// SignFlipTest looks at the mean of the differences under every assignment of
// signs where there are at most `flips` of them (2^n), else under as many drawn
// ones (Fisher, The Design of Experiments, 1935, section 21). Means within rounding
// of that at hand count as equal to it.
func SignFlipTest(d []float64, flips int, seed uint64) (SignFlip, error) {
	if flips < 1 {
		return SignFlip{}, fmt.Errorf("%w: %d sign assignments, at least 1", ErrRange, flips)
	}
	if err := checkSize(len(d)); err != nil {
		return SignFlip{}, err
	}
	if len(d) == 0 || hasNaN(d) {
		return SignFlip{Mean: math.NaN(), Greater: math.NaN(), P: math.NaN()}, nil
	}
	sum, size := 0.0, 0.0
	for _, v := range d {
		sum += v
		size += math.Abs(v)
	}
	t := SignFlip{Mean: sum / float64(len(d))}
	rounding := 1e-14 * size
	var greater, less float64
	count := func(s float64) {
		if s >= sum-rounding {
			greater++
		}
		if s <= sum+rounding {
			less++
		}
	}
	if len(d) < 62 && 1<<len(d) <= flips {
		t.Flips, t.Exact = 1<<len(d), true
		flipAll(d, 0, count)
	} else {
		t.Flips = flips
		for _, s := range drawnFlips(d, flips, seed) {
			count(s)
		}
		greater, less = greater+1, less+1
	}
	of := float64(t.Flips)
	if !t.Exact {
		of++
	}
	t.Greater = greater / of
	t.P = min(1, 2*min(t.Greater, less/of))
	return t, nil
}

// flipAll calls count with the sum under each assignment of signs.
func flipAll(d []float64, sum float64, count func(float64)) {
	if len(d) == 0 {
		count(sum)
		return
	}
	flipAll(d[1:], sum+d[0], count)
	flipAll(d[1:], sum-d[0], count)
}

// drawnFlips are the sums under drawn assignments.
func drawnFlips(d []float64, flips int, seed uint64) []float64 {
	return forEachResample(flips, seed, func() func(*source) float64 {
		return func(random *source) float64 {
			sum := 0.0
			for _, v := range d {
				if random.below(2) == 1 {
					v = -v
				}
				sum += v
			}
			return sum
		}
	})
}
