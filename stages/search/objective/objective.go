package objective

import "context"

// Trial is an architecture to be evaluated.
type Trial struct {
	Architecture int // number in the benchmark's order, 0 to nas.Size-1
	Fidelity     int // position in the objective's Fidelities
}

// Fidelity is one way to evaluate an architecture: more epochs say more and
// cost more.
type Fidelity struct {
	Epochs int     // 0 where nobody said how many
	Cost   float64 // of one evaluation, in the unit in which budgets count; above 0
}

// Objective evaluates architectures. Values are oriented: higher is better.
//
// Costs are declared and not measured, so that a budget ends a search at the
// same trial on every machine and on every day.
type Objective interface {
	// Fidelities are the ways to evaluate, by ascending epochs; at least one.
	// Values of different fidelities need not be comparable.
	Fidelities() []Fidelity

	// Evaluate sets values[i] to the value of trials[i]; the slices have equal
	// lengths. Trials of a batch do not depend on each other, so that they may be
	// evaluated in any order and at the same time: values must not depend on it,
	// nor on what was evaluated before. Runs of a search call it concurrently.
	// A value is never NaN: what failed is an error that names the architecture,
	// or minus infinity where a failure is a result (a loss that diverged).
	Evaluate(ctx context.Context, trials []Trial, values []float64) error
}
