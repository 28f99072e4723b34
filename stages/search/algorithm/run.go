package algorithm

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/search/objective"
)

// ErrSpent ends a run: what was asked for is not, or not wholly, within the
// budget. Algorithms pass it on.
var ErrSpent = errors.New("the search has spent its budget")

// Algorithm searches until its run's budget is spent or nothing is left to do.
// It has no state of its own: concurrent runs share it.
type Algorithm interface {
	Search(ctx context.Context, r *Run) error
}

// Step is one evaluation of a run.
type Step struct {
	Architecture int32
	Fidelity     int32
	Value        float64 // of the objective: higher is better
}

// Run is one run of a search: its random stream, its budget, its history.
type Run struct {
	Number int
	Random Source

	// Space is set by algorithms that shrink the space: the architectures that
	// were left when they stopped, ascending.
	Space []int

	objective  objective.Objective
	fidelities []objective.Fidelity
	left       float64
	steps      []Step
	trials     []objective.Trial
	values     []float64
}

// NewRun starts run number n for a purpose, which names its random stream.
// Budget is in the unit of the objective's costs.
func NewRun(o objective.Objective, budget float64, seed uint64, purpose string, n int) *Run {
	r := &Run{
		Number: n, Random: *NewSource(seed, purpose, n), objective: o, fidelities: o.Fidelities(), left: budget,
		trials: make([]objective.Trial, 1), values: make([]float64, 1),
	}
	cheapest := math.Inf(1)
	for _, f := range r.fidelities {
		cheapest = min(cheapest, f.Cost)
	}
	r.steps = make([]Step, 0, int(min(budget/cheapest, maxReserved)))
	return r
}

// maxReserved limits the memory that is set aside before it is needed.
const maxReserved = 1 << 20

// Steps is the history, in order.
func (r *Run) Steps() []Step { return r.steps }

// Fidelities are the objective's.
func (r *Run) Fidelities() []objective.Fidelity { return r.fidelities }

// Top is the highest fidelity, at which algorithms with one fidelity search.
func (r *Run) Top() int { return len(r.fidelities) - 1 }

// Evaluate returns the architecture's value, or ErrSpent.
func (r *Run) Evaluate(ctx context.Context, architecture, fidelity int) (float64, error) {
	r.trials[0] = objective.Trial{Architecture: architecture, Fidelity: fidelity}
	values, err := r.EvaluateAll(ctx, r.trials[:1])
	if err != nil {
		return 0, err
	}
	return values[0], nil
}

// EvaluateAll evaluates the trials as a batch, as many of them as the budget
// lets, in order. The values are of those, and good until the next call; if they
// are not all, the error is ErrSpent.
func (r *Run) EvaluateAll(ctx context.Context, trials []objective.Trial) ([]float64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := r.affordable(trials)
	for len(r.values) < n {
		r.values = append(r.values, 0)
	}
	values := r.values[:n]
	if n > 0 {
		if err := r.objective.Evaluate(ctx, trials[:n], values); err != nil {
			return nil, err
		}
	}
	for i, t := range trials[:n] {
		if values[i] != values[i] {
			return nil, fmt.Errorf("architecture %d (%s) has no value: the objective gave NaN", t.Architecture, nas.At(t.Architecture))
		}
		r.left -= r.fidelities[t.Fidelity].Cost
		r.steps = append(r.steps, Step{int32(t.Architecture), int32(t.Fidelity), values[i]})
	}
	if n < len(trials) {
		return values, ErrSpent
	}
	return values, nil
}

// affordable is the number of leading trials within what is left.
func (r *Run) affordable(trials []objective.Trial) int {
	left := r.left
	for i, t := range trials {
		if left -= r.fidelities[t.Fidelity].Cost; left < 0 {
			return i
		}
	}
	return len(trials)
}

// Incumbents returns, per step, the position of the step whose architecture the
// search would then return: the best at the highest fidelity seen so far, ties
// by what came first.
func Incumbents(steps []Step) []int {
	out := make([]int, len(steps))
	best := 0
	for i, s := range steps {
		b := steps[best]
		if s.Fidelity > b.Fidelity || s.Fidelity == b.Fidelity && s.Value > b.Value {
			best = i
		}
		out[i] = best
	}
	return out
}
