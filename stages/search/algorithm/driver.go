package algorithm

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/nbpipe/nbpipe/stages/search/objective"
)

// Plan says which runs to make.
type Plan struct {
	Algorithm Algorithm
	Objective objective.Objective
	Budget    float64 // of each run, in the unit of the objective's costs
	Seed      uint64
	Purpose   string // names the random streams; "" means "run"
	First     int    // number of the first run
	Runs      int
	Workers   int                 // runs at a time; no result depends on it
	Done      func(runs, all int) // told of progress, from several goroutines; may be nil
}

// Execute makes the runs and returns them by number. The error is that of the
// first run, by number, that failed.
func (p Plan) Execute(ctx context.Context) ([]*Run, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	runs := make([]*Run, p.Runs)
	errs := make([]error, p.Runs)
	var next, done atomic.Int64
	var workers sync.WaitGroup
	for range max(1, min(p.Workers, p.Runs)) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= p.Runs || ctx.Err() != nil {
					return
				}
				if runs[i], errs[i] = p.run(ctx, p.First+i); errs[i] != nil {
					cancel()
				}
				if n := int(done.Add(1)); p.Done != nil {
					p.Done(n, p.Runs)
				}
			}
		})
	}
	workers.Wait()
	return runs, p.first(ctx, errs)
}

func (p Plan) run(ctx context.Context, number int) (*Run, error) {
	purpose := p.Purpose
	if purpose == "" {
		purpose = "run"
	}
	r := NewRun(p.Objective, p.Budget, p.Seed, purpose, number)
	if err := p.Algorithm.Search(ctx, r); err != nil && !errors.Is(err, ErrSpent) {
		return nil, err
	}
	return r, nil
}

// first prefers what went wrong to the cancellation that followed from it.
func (p Plan) first(ctx context.Context, errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return ctx.Err()
}
