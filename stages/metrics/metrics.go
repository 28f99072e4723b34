package metrics

import (
	"errors"
	"fmt"
	"math"
)

// ErrOneClass says that a ranking metric has no value: all targets are the same.
var ErrOneClass = errors.New("all targets are of one class")

// ZeroOne is the share of samples whose largest score is not their label's. Of
// equal scores the first counts, as numpy.argmax has it. scores are one row of
// classes a sample.
func ZeroOne(scores []float32, labels []int32) (float64, error) {
	classes, err := width(scores, len(labels))
	if err != nil {
		return 0, err
	}
	wrong := 0
	for i, l := range labels {
		if l < 0 || int(l) >= classes {
			return 0, fmt.Errorf("label %d of sample %d; the classes are 0 to %d", l, i, classes-1)
		}
		if largest(scores[i*classes:(i+1)*classes]) != l {
			wrong++
		}
	}
	return float64(wrong) / float64(len(labels)), nil
}

// RelativeL2 is the mean over samples of ||prediction - target||2 / ||target||2,
// norms over all elements of a sample. A target that is 0 everywhere is an error.
func RelativeL2(prediction, target []float32, samples int) (float64, error) {
	size, err := width(prediction, samples)
	if err != nil {
		return 0, err
	}
	if len(target) != len(prediction) {
		return 0, fmt.Errorf("%d predicted values and %d targets", len(prediction), len(target))
	}
	sum := 0.0
	for s := range samples {
		var off, norm float64
		for i := s * size; i < (s+1)*size; i++ {
			y := float64(target[i])
			d := float64(prediction[i]) - y
			off += d * d
			norm += y * y
		}
		if norm == 0 || math.IsNaN(norm) {
			return 0, fmt.Errorf("the target of sample %d has norm %v: a relative error of it is not defined", s, norm)
		}
		sum += math.Sqrt(off) / math.Sqrt(norm)
	}
	return sum / float64(samples), nil
}

// width is the number of values of each of n samples. NaN is refused.
func width(values []float32, n int) (int, error) {
	if n < 1 || len(values) == 0 || len(values)%n != 0 {
		return 0, fmt.Errorf("%d values cannot be those of %d samples", len(values), n)
	}
	for i, v := range values {
		if v != v {
			return 0, fmt.Errorf("value %d of sample %d is not a number", i%(len(values)/n), i/(len(values)/n))
		}
	}
	return len(values) / n, nil
}

// largest is the index of the first largest score.
func largest(scores []float32) int32 {
	best := 0
	for i, s := range scores {
		if s > scores[best] {
			best = i
		}
	}
	return int32(best)
}
