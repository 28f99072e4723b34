package stats

import (
	"errors"
	"fmt"
	"math"
)

var (
	// ErrLength says that samples that must be paired differ in length.
	ErrLength = errors.New("samples differ in length")
	// ErrTooLong says that a sample has more values than an int32 can index.
	ErrTooLong = errors.New("sample is too long")
	// ErrRange says that a count (k, a number of resamples) is out of range.
	ErrRange = errors.New("count out of range")
	// ErrNaN says that a test was given a value that is not a number.
	ErrNaN = errors.New("not a number")
)

// checkPaired refuses samples that cannot be paired value by value.
func checkPaired(x, y []float64) error {
	if len(x) != len(y) {
		return fmt.Errorf("%w: %d and %d", ErrLength, len(x), len(y))
	}
	return checkSize(len(x))
}

// checkSize refuses sizes that the int32 positions used inside cannot hold.
func checkSize(n int) error {
	if n > math.MaxInt32 {
		return fmt.Errorf("%w: %d values, at most %d", ErrTooLong, n, math.MaxInt32)
	}
	return nil
}

// checkResamples refuses a bootstrap without resamples.
func checkResamples(resamples int) error {
	if resamples < 1 {
		return fmt.Errorf("%w: %d resamples, at least 1", ErrRange, resamples)
	}
	return nil
}

// hasNaN reports whether any of the samples holds a NaN.
func hasNaN(samples ...[]float64) bool {
	for _, sample := range samples {
		for _, v := range sample {
			if v != v {
				return true
			}
		}
	}
	return false
}

// isConstant reports whether all values are equal; an empty sample is.
func isConstant(x []float64) bool {
	for _, v := range x {
		if v != x[0] {
			return false
		}
	}
	return true
}
