package metrics

import "fmt"

// F1Scores are the F1 scores of classes.
type F1Scores struct {
	PerClass []float64
	Absent   []int // classes that are neither true nor predicted anywhere: they count as 0, as in scikit-learn
}

// F1 gives each class's 2 TP / (2 TP + FP + FN).
func F1(predicted, truth []int32, classes int) (F1Scores, error) {
	if len(predicted) == 0 || len(predicted) != len(truth) {
		return F1Scores{}, fmt.Errorf("%d predicted and %d true classes", len(predicted), len(truth))
	}
	if classes < 1 {
		return F1Scores{}, fmt.Errorf("%d classes", classes)
	}
	hits, named := make([]int, classes), make([]int, classes) // named: TP + FP, and TP + FN
	for i, t := range truth {
		p := predicted[i]
		if t < 0 || int(t) >= classes || p < 0 || int(p) >= classes {
			return F1Scores{}, fmt.Errorf("classes %d and %d of record %d; they are 0 to %d", p, t, i, classes-1)
		}
		named[t]++
		named[p]++
		if t == p {
			hits[t]++
		}
	}
	out := F1Scores{PerClass: make([]float64, classes)}
	for c := range classes {
		if named[c] == 0 {
			out.Absent = append(out.Absent, c)
			continue
		}
		out.PerClass[c] = 2 * float64(hits[c]) / float64(named[c])
	}
	return out, nil
}

// Error is 1 - the mean F1 of the first n classes.
func (f F1Scores) Error(n int) float64 {
	sum := 0.0
	for _, v := range f.PerClass[:n] {
		sum += v
	}
	return 1 - sum/float64(n)
}

// Voted is what the windows of each record say together.
type Voted struct {
	Predicted []int32 // one class a record, in the order in which records first occur
	Truth     []int32
	Ties      int // records whose vote was decided by the rule for ties
}

// Vote lets the windows of a record decide on its class. scores are one row of
// classes a window; a window votes for its largest score. Of classes with equally
// many votes the one that comes first in the record wins: the rule of Python's
// Counter.most_common, which the repository uses.
func Vote(scores []float32, labels, record []int32) (Voted, error) {
	classes, err := width(scores, len(record))
	if err != nil {
		return Voted{}, err
	}
	if len(labels) != len(record) {
		return Voted{}, fmt.Errorf("%d labels for %d windows", len(labels), len(record))
	}
	var out Voted
	place := map[int32]int{}
	var ballots []*ballot
	for i, r := range record {
		k, seen := place[r]
		if !seen {
			k = len(ballots)
			place[r] = k
			ballots = append(ballots, &ballot{votes: make([]int, classes)})
			out.Truth = append(out.Truth, labels[i])
		}
		if labels[i] != out.Truth[k] {
			return Voted{}, fmt.Errorf("windows of record %d have labels %d and %d", r, out.Truth[k], labels[i])
		}
		ballots[k].add(largest(scores[i*classes : (i+1)*classes]))
	}
	for _, b := range ballots {
		winner, tied := b.winner()
		out.Predicted = append(out.Predicted, winner)
		if tied {
			out.Ties++
		}
	}
	return out, nil
}

// ballot counts votes and keeps the order in which classes came.
type ballot struct {
	votes []int
	order []int32
}

func (b *ballot) add(class int32) {
	if b.votes[class] == 0 {
		b.order = append(b.order, class)
	}
	b.votes[class]++
}

func (b *ballot) winner() (class int32, tied bool) {
	class = b.order[0]
	for _, c := range b.order[1:] {
		switch {
		case b.votes[c] > b.votes[class]:
			class, tied = c, false
		case b.votes[c] == b.votes[class]:
			tied = true
		}
	}
	return class, tied
}

// ECGClasses are the classes of ECG's windows in the order of their labels: normal
// rhythm, atrial fibrillation, other rhythm, too noisy.
func ECGClasses() []string { return []string{"N", "A", "O", "~"} }

// ECGResult is ECG's metric with what is behind it.
type ECGResult struct {
	Error        float64 // 1 - mean F1 of N, A, O and ~: what NAS-Bench-360 reports
	ThreeClasses float64 // 1 - mean F1 of N, A and O: the rule of the PhysioNet challenge of 2017
	F1           F1Scores
	Records      int
	Ties         int // records decided by Vote's rule for ties
}

// ECG is 1 - the mean F1 of records after a vote of their windows. scores are one
// row of four classes a window.
func ECG(scores []float32, labels, record []int32) (ECGResult, error) {
	classes := len(ECGClasses())
	if len(scores) != classes*len(record) {
		return ECGResult{}, fmt.Errorf("%d scores for %d windows of %d classes", len(scores), len(record), classes)
	}
	v, err := Vote(scores, labels, record)
	if err != nil {
		return ECGResult{}, err
	}
	f, err := F1(v.Predicted, v.Truth, classes)
	if err != nil {
		return ECGResult{}, err
	}
	return ECGResult{Error: f.Error(classes), ThreeClasses: f.Error(classes - 1), F1: f, Records: len(v.Truth), Ties: v.Ties}, nil
}
