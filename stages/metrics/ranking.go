package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Labelwise is a metric of a multi-label task, one value a label.
type Labelwise struct {
	// Error is 1 - the mean over the labels of PerLabel that have a value.
	Error    float64
	PerLabel []float64 // NaN: a label with one class only, where the metric has no value
	OneClass []int     // labels whose targets are all 0 or all 1
}

// AUROC is the area under the receiver operating characteristic: the share of pairs
// of a positive and a negative sample that the scores put in order, ties counting
// half. targets are 0 or 1. The count is of integers and exact; the time is that of
// sorting. Without both classes the error is ErrOneClass; scikit-learn's
// roc_auc_score refuses that, too.
func AUROC(scores, targets []float32) (float64, error) {
	groups, err := ranked(scores, targets)
	if err != nil {
		return 0, err
	}
	var positives, negatives, twice int64
	for _, g := range groups { // from the highest score: negatives of later groups are below
		twice += g.negatives * (2*positives + g.positives)
		positives += g.positives
		negatives += g.negatives
	}
	if positives == 0 || negatives == 0 {
		return 0, ErrOneClass
	}
	return float64(twice) / 2 / (float64(positives) * float64(negatives)), nil
}

// AveragePrecision is the sum over distinct scores, from the highest, of the
// precision at that threshold times what it adds to recall (scikit-learn's
// average_precision_score: a step function, nothing is interpolated). Without a
// positive it is 0, as there.
func AveragePrecision(scores, targets []float32) (float64, error) {
	groups, err := ranked(scores, targets)
	if err != nil {
		return 0, err
	}
	var positives, seen int64
	sum := 0.0
	for _, g := range groups {
		positives += g.positives
		seen += g.positives + g.negatives
		sum += float64(g.positives) * (float64(positives) / float64(seen))
	}
	if positives == 0 {
		return 0, nil
	}
	return sum / float64(positives), nil
}

// MeanAUROC is DeepSEA's metric: 1 - the mean of the labels' AUROC. scores and
// targets are one row of labels a sample. Labels with one class only have no AUROC:
// they are left out of the mean and listed; if there is no other the error is
// ErrOneClass.
func MeanAUROC(scores, targets []float32, labels int) (Labelwise, error) {
	return labelwise(scores, targets, labels, AUROC)
}

// MeanAveragePrecision is 1 - the macro mean of the labels' average precision, mAP:
// FSD50K's metric, of what Clips gives. A label without a positive counts as 0, as
// in scikit-learn, and is listed.
func MeanAveragePrecision(scores, targets []float32, labels int) (Labelwise, error) {
	return labelwise(scores, targets, labels, AveragePrecision)
}

func labelwise(scores, targets []float32, labels int, metric func(scores, targets []float32) (float64, error)) (Labelwise, error) {
	if labels < 1 || len(scores) == 0 || len(scores)%labels != 0 || len(scores) != len(targets) {
		return Labelwise{}, fmt.Errorf("%d scores and %d targets for %d labels", len(scores), len(targets), labels)
	}
	n := len(scores) / labels
	out := Labelwise{PerLabel: make([]float64, labels)}
	s, t := make([]float32, n), make([]float32, n)
	sum, defined := 0.0, 0
	for l := range labels {
		for i := range n {
			s[i], t[i] = scores[i*labels+l], targets[i*labels+l]
		}
		if constant(t) {
			out.OneClass = append(out.OneClass, l)
		}
		v, err := metric(s, t)
		if errors.Is(err, ErrOneClass) {
			out.PerLabel[l] = math.NaN()
			continue
		}
		if err != nil {
			return Labelwise{}, fmt.Errorf("label %d: %w", l, err)
		}
		out.PerLabel[l] = v
		sum += v
		defined++
	}
	if defined == 0 {
		return out, fmt.Errorf("every one of %d labels: %w", labels, ErrOneClass)
	}
	out.Error = 1 - sum/float64(defined)
	return out, nil
}

func constant(x []float32) bool {
	for _, v := range x {
		if v != x[0] {
			return false
		}
	}
	return true
}

// group is the samples of equal score.
type group struct{ positives, negatives int64 }

// ranked groups samples by score, the highest first.
func ranked(scores, targets []float32) ([]group, error) {
	if _, err := width(scores, len(targets)); err != nil {
		return nil, err
	}
	if len(scores) != len(targets) {
		return nil, fmt.Errorf("%d scores and %d targets", len(scores), len(targets))
	}
	type sample struct{ score, target float32 }
	samples := make([]sample, len(scores))
	for i, t := range targets {
		if t != 0 && t != 1 {
			return nil, fmt.Errorf("target %v of sample %d; targets are 0 or 1", t, i)
		}
		samples[i] = sample{scores[i], t}
	}
	slices.SortFunc(samples, func(a, b sample) int { return cmp.Compare(b.score, a.score) })
	var groups []group
	for i, s := range samples {
		if i == 0 || s.score != samples[i-1].score {
			groups = append(groups, group{})
		}
		g := &groups[len(groups)-1]
		if s.target == 1 {
			g.positives++
		} else {
			g.negatives++
		}
	}
	return groups, nil
}
