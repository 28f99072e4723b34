package metrics

import (
	"fmt"
	"math"
)

// Clips brings FSD50K's chunks together: a clip's score for each label is the
// sigmoid of the mean of its chunks' logits, in float32 as the repository has it
// (saturated scores tie), and its targets are its first chunk's. logits and targets
// are one row of labels a chunk; clip says which clip a chunk is of. Clips come in
// the order in which they first occur.
func Clips(logits, targets []float32, labels int, clip []int32) (scores, of []float32, err error) {
	n, err := width(logits, len(clip))
	if err != nil {
		return nil, nil, err
	}
	if n != labels || len(targets) != len(logits) {
		return nil, nil, fmt.Errorf("%d logits and %d targets for %d chunks of %d labels", len(logits), len(targets), len(clip), labels)
	}
	place := map[int32]int{}
	var sums []float64
	var chunks []float64
	for i, c := range clip {
		row, target := logits[i*labels:(i+1)*labels], targets[i*labels:(i+1)*labels]
		k, seen := place[c]
		if !seen {
			k = len(chunks)
			place[c] = k
			chunks = append(chunks, 0)
			sums = append(sums, make([]float64, labels)...)
			of = append(of, target...)
		}
		chunks[k]++
		for l, v := range row {
			sums[k*labels+l] += float64(v)
		}
	}
	scores = make([]float32, len(sums))
	for i, s := range sums {
		scores[i] = float32(1 / (1 + math.Exp(-s/chunks[i/labels])))
		if scores[i] != scores[i] {
			return nil, nil, fmt.Errorf("the logits of label %d of clip %d have no mean", i%labels, i/labels)
		}
	}
	return scores, of, nil
}
