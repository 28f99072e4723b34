package objective

import (
	"context"
	"fmt"
	"math"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
)

// Table is an objective of measured values: one column a fidelity.
type Table struct {
	fidelities []Fidelity
	values     [][]float64 // by fidelity and architecture; higher is better
}

// NewTable makes an objective of columns as Column returns them, already
// oriented so that higher is better.
func NewTable(fidelities []Fidelity, values [][]float64) (*Table, error) {
	if len(fidelities) == 0 || len(fidelities) != len(values) {
		return nil, fmt.Errorf("%d fidelities and %d columns of values", len(fidelities), len(values))
	}
	for i, v := range values {
		if len(v) != nas.Size {
			return nil, fmt.Errorf("fidelity %d has %d values, the space has %d architectures", i, len(v), nas.Size)
		}
		if !(fidelities[i].Cost > 0) {
			return nil, fmt.Errorf("fidelity %d costs %v; a cost is above 0", i, fidelities[i].Cost)
		}
	}
	return &Table{fidelities, values}, nil
}

// Fidelities implements Objective.
func (t *Table) Fidelities() []Fidelity { return t.fidelities }

// Evaluate implements Objective by looking up.
func (t *Table) Evaluate(_ context.Context, trials []Trial, values []float64) error {
	for i, trial := range trials {
		values[i] = t.values[trial.Fidelity][trial.Architecture]
	}
	return nil
}

// Column returns a column's values by architecture. A search may ask for any
// architecture of the space, so each must have one row and a finite value.
func Column(t *table.Table, name string) ([]float64, error) {
	if !t.Has(table.Architecture) {
		return nil, fmt.Errorf("it has no column %q, so its rows cannot be told apart; preprocess \"benchmark_table\" makes one", table.Architecture)
	}
	column, err := t.Float64s(name)
	if err != nil {
		return nil, err
	}
	numbers, err := t.Int64s(table.Architecture)
	if err != nil {
		return nil, err
	}
	out := make([]float64, nas.Size)
	seen := make([]bool, nas.Size)
	for row, a := range numbers {
		if err := nas.CheckIndex(a); err != nil {
			return nil, fmt.Errorf("row %d: %w", row+1, err)
		}
		if seen[a] {
			return nil, fmt.Errorf("row %d: architecture %d occurs twice; filter the rows first", row+1, a)
		}
		if v := column[row]; math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("column %q, row %d: architecture %d has no finite value (%v)", name, row+1, a, v)
		}
		seen[a], out[a] = true, column[row]
	}
	if len(numbers) < nas.Size {
		for a := range seen {
			if !seen[a] {
				return nil, fmt.Errorf("there are rows for %d of the %d architectures, none for number %d; a search may ask for any of them", len(numbers), nas.Size, a)
			}
		}
	}
	return out, nil
}

// Oriented returns the values so that higher is better.
func Oriented(values []float64, minimise bool) []float64 {
	if !minimise {
		return values
	}
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = -v
	}
	return out
}
