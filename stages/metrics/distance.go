package metrics

import (
	"fmt"
	"math"
)

// MAE8 counts pairs of residues (i, j) that are at least separation apart in the
// sequence and at most contact Angstrom apart in space; no predicted distance is
// below floor.
const (
	separation = 24
	contact    = 8.0
	floor      = 0.01
)

// Distances is an error of predicted distances, in Angstrom.
type Distances struct {
	MAE        float64   // mean over the proteins that have such a pair
	Repository float64   // the same, of the distances that the repository averages twice
	PerProtein []float64 // NaN: no such pair
	Without    int       // proteins without such a pair; they are left out of the mean
}

// MAE8 is PSICOV's metric: the mean over proteins of the mean absolute error over
// pairs j - i >= 24 whose true distance is at most 8 Angstrom. The predicted distance
// of a pair is the mean of (i, j) and (j, i), at least .01. prediction and target
// are one square of side x side Angstrom a protein, without padding; lengths are the
// proteins' residues, in the square's first rows and columns. A true distance that
// is NaN is no pair.
//
// Repository is by the letter of NAS-Bench-360's code, which averages the upper
// triangle with the lower one twice, so that the lower counts three quarters.
func MAE8(prediction, target []float32, side int, lengths []int) (Distances, error) {
	n := len(lengths)
	if n == 0 || side < 1 || len(prediction) != len(target) || len(prediction)/n/side != side || len(prediction) != n*side*side {
		return Distances{}, fmt.Errorf("%d predicted and %d true distances for %d proteins of %d x %d", len(prediction), len(target), n, side, side)
	}
	out := Distances{PerProtein: make([]float64, n)}
	for k, length := range lengths {
		if length < 0 || length > side {
			return Distances{}, fmt.Errorf("protein %d has %d residues and a square of %d", k, length, side)
		}
		once, twice, err := protein(prediction[k*side*side:(k+1)*side*side], target[k*side*side:(k+1)*side*side], side, length)
		if err != nil {
			return Distances{}, fmt.Errorf("protein %d: %w", k, err)
		}
		if out.PerProtein[k] = once; math.IsNaN(once) {
			out.Without++
			continue
		}
		out.MAE += once
		out.Repository += twice
	}
	if out.Without == n {
		return out, fmt.Errorf("none of %d proteins has a pair of residues %d apart in sequence within %v Angstrom", n, separation, contact)
	}
	out.MAE /= float64(n - out.Without)
	out.Repository /= float64(n - out.Without)
	return out, nil
}

// protein gives the error of the distances averaged once, and twice.
func protein(p, y []float32, side, length int) (once, twice float64, err error) {
	pairs := 0
	for i := range length {
		for j := i + separation; j < length; j++ {
			truth := float64(y[i*side+j])
			if !(truth <= contact) {
				continue
			}
			upper, lower := float64(p[i*side+j]), float64(p[j*side+i])
			if math.IsNaN(upper) || math.IsNaN(lower) {
				return 0, 0, fmt.Errorf("the predicted distance of residues %d and %d is not a number", i, j)
			}
			mean := math.Max(floor, (upper+lower)/2)
			once += math.Abs(truth - mean)
			twice += math.Abs(truth - (mean+math.Max(floor, lower))/2)
			pairs++
		}
	}
	if pairs == 0 {
		return math.NaN(), math.NaN(), nil
	}
	return once / float64(pairs), twice / float64(pairs), nil
}
