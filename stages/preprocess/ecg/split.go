package ecg

import (
	"math"

	"github.com/nbpipe/nbpipe/stages/internal/mersenne"
)

// seed is the repository's random_state.
const seed = 0

// split gives the numbers of the recordings for training, validation and test.
func split(n int) (train, validation, test []int) {
	train, rest := drawn(n, 0.2)
	v, t := drawn(len(rest), 0.5)
	for _, i := range v {
		validation = append(validation, rest[i])
	}
	for _, i := range t {
		test = append(test, rest[i])
	}
	return train, validation, test
}

// drawn is scikit-learn's train_test_split(test_size=share, random_state=0) of the
// numbers 0 to n-1: the first of a permutation are the test's.
func drawn(n int, share float64) (train, test []int) {
	p := mersenne.NumPy(seed).Permutation(n)
	m := int(math.Ceil(share * float64(n)))
	return p[m:], p[:m]
}
