package metrics

import "fmt"

// RepositoryThreshold is what NAS-Bench-360's code compares Cosmic's outputs with.
// They are logits there, so that .5 means a probability of .62.
const RepositoryThreshold float32 = 0.5

// ProbabilityThreshold is the logit of a probability of .5.
const ProbabilityThreshold float32 = 0

// Confusion counts the pixels of a binarised mask.
type Confusion struct {
	TruePositives, TrueNegatives, FalsePositives, FalseNegatives int64
}

// Mask binarises outputs (true above the threshold) and counts them against a mask
// of 0 and 1. ignore, if not nil, leaves out the pixels where it is not 0; the
// repository's evaluation leaves out none.
func Mask(outputs, mask, ignore []float32, threshold float32) (Confusion, error) {
	if len(outputs) == 0 || len(outputs) != len(mask) || ignore != nil && len(ignore) != len(mask) {
		return Confusion{}, fmt.Errorf("%d outputs for a mask of %d pixels, %d of them with ignore", len(outputs), len(mask), len(ignore))
	}
	var c Confusion
	for i, m := range mask {
		if ignore != nil && ignore[i] != 0 {
			continue
		}
		switch v := outputs[i]; {
		case v != v:
			return Confusion{}, fmt.Errorf("output %d is not a number", i)
		case m != 0 && m != 1:
			return Confusion{}, fmt.Errorf("pixel %d of the mask is %v; it must be 0 or 1", i, m)
		case m == 1 && v > threshold:
			c.TruePositives++
		case m == 1:
			c.FalseNegatives++
		case v > threshold:
			c.FalsePositives++
		default:
			c.TrueNegatives++
		}
	}
	return c, nil
}

// FNR is the false-negative rate over all pixels: Cosmic's metric in the preprint.
func (c Confusion) FNR() (float64, error) {
	positives := c.TruePositives + c.FalseNegatives
	if positives == 0 {
		return 0, fmt.Errorf("the mask has no positive pixel: %w", ErrOneClass)
	}
	return float64(c.FalseNegatives) / float64(positives), nil
}

// AUROCError is 1 - the AUROC of the binarised mask, which is the mean of the false
// negatives' and the false positives' rate: Cosmic's metric in the later code.
func (c Confusion) AUROCError() (float64, error) {
	positives, negatives := c.TruePositives+c.FalseNegatives, c.TrueNegatives+c.FalsePositives
	if positives == 0 || negatives == 0 {
		return 0, ErrOneClass
	}
	return (float64(c.FalseNegatives)/float64(positives) + float64(c.FalsePositives)/float64(negatives)) / 2, nil
}
