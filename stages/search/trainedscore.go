package search

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/search/algorithm"
	"github.com/nbpipe/nbpipe/stages/search/objective"
)

// scored is the objective of edge shrinking by training. The metric counts as an error,
// 1 less it as the accuracy, and multiply-accumulates are those of the network that was
// trained.
type scored struct {
	*trained
	score func(accuracy, macs float64) float64

	mu     sync.Mutex
	scores []float64 // by architecture; NaN where nobody asked
}

// scoreTraining is the data with the score as the searched value, beside the metric as
// the reported one.
func (s *AutoShrink) scoreTraining(d *data) *data {
	o := &scored{trained: d.trained, score: s.score, scores: make([]float64, nas.Size)}
	for a := range o.scores {
		o.scores[a] = math.NaN()
	}
	d.trained.most = int64(s.Runs) * int64(min(s.evaluations(d.epochs[0]), algorithm.MostShrinks))
	of := *d
	of.objective, of.searched = o, [][]float64{o.scores}
	return &of
}

// Evaluate implements objective.Objective. A training that diverged has the score minus
// infinity.
func (o *scored) Evaluate(ctx context.Context, trials []objective.Trial, values []float64) error {
	if err := o.trained.Evaluate(ctx, trials, values); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, t := range trials {
		macs, err := o.macs(t.Architecture)
		if err != nil {
			return err
		}
		values[i] = o.score(1+values[i], macs) // a value is minus the metric
		o.scores[t.Architecture] = values[i]
	}
	return nil
}

// macs are an architecture's multiply-accumulates for one sample, in units of 1e6.
func (o *scored) macs(architecture int) (float64, error) {
	network, err := o.train.Network(nas.At(architecture), o.prepared)
	if err != nil {
		return 0, fmt.Errorf("train: data: a network for samples of %s: %w", o.prepared.Input, err)
	}
	macs, err := network.MultiplyAccumulates()
	if err != nil {
		return 0, fmt.Errorf("train: multiply-accumulates of architecture %d (%s): %w", architecture, network.Name, err)
	}
	return float64(macs) / 1e6, nil
}
