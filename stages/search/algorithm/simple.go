package algorithm

import (
	"context"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/search/objective"
)

// Random evaluates uniformly drawn architectures.
type Random struct {
	Replacement bool // an architecture may be drawn again, as in NATS-Bench's code
}

// Search implements Algorithm.
func (a Random) Search(ctx context.Context, r *Run) error {
	rest := &sample{}
	if !a.Replacement {
		rest = everything()
	}
	batch := make([]objective.Trial, randomBatch)
	for {
		n := 0
		for ; n < len(batch); n++ {
			next, ok := 0, true
			if a.Replacement {
				next = r.Random.Below(nas.Size)
			} else {
				next, ok = rest.draw(&r.Random)
			}
			if !ok {
				break
			}
			batch[n] = objective.Trial{Architecture: next, Fidelity: r.Top()}
		}
		if _, err := r.EvaluateAll(ctx, batch[:n]); err != nil || n < len(batch) {
			return err
		}
	}
}

// randomBatch is how many draws are evaluated at a time: an objective that trains
// has all cores busy with them.
const randomBatch = 64

// Evolution is regularized (aging) evolution (Real et al., AAAI 2019, Algorithm
// 1) as NATS-Bench runs it: the parent is the best of Sample members drawn with
// replacement, the child is the parent with one operation changed (mutate), and
// the oldest member dies. An architecture that occurs again is evaluated again.
type Evolution struct {
	Population int // members
	Sample     int // drawn for each tournament
}

type member struct {
	cell  nas.Cell
	value float64
}

// Search implements Algorithm.
func (a Evolution) Search(ctx context.Context, r *Run) error {
	population := make([]member, a.Population) // a ring: the oldest is replaced
	trials := make([]objective.Trial, a.Population)
	for i := range population {
		population[i].cell = randomCell(&r.Random)
		trials[i] = objective.Trial{Architecture: nas.Index(population[i].cell), Fidelity: r.Top()}
	}
	values, err := r.EvaluateAll(ctx, trials)
	if err != nil {
		return err
	}
	for i, v := range values {
		population[i].value = v
	}
	for oldest := 0; ; {
		parent := &population[r.Random.Below(a.Population)]
		for range a.Sample - 1 {
			if m := &population[r.Random.Below(a.Population)]; m.value > parent.value {
				parent = m
			}
		}
		child := mutate(&r.Random, parent.cell)
		value, err := r.Evaluate(ctx, nas.Index(child), r.Top())
		if err != nil {
			return err
		}
		population[oldest] = member{child, value}
		if oldest++; oldest == a.Population {
			oldest = 0
		}
	}
}

// LocalSearch climbs (White et al., UAI 2021): it evaluates all 24 neighbours of
// a random architecture that were not evaluated yet, in random order, moves to
// the best of all 24 while that is better, and else starts again elsewhere. What
// was evaluated once in a run is remembered and costs nothing more.
type LocalSearch struct{}

// Search implements Algorithm.
func (LocalSearch) Search(ctx context.Context, r *Run) error {
	known := new(seen)
	value := make([]float64, nas.Size)
	starts := everything()
	var batch []objective.Trial
	evaluate := func(architectures []int) error {
		batch = batch[:0]
		for _, n := range architectures {
			if !known[n] {
				known[n] = true
				batch = append(batch, objective.Trial{Architecture: n, Fidelity: r.Top()})
			}
		}
		values, err := r.EvaluateAll(ctx, batch)
		for i, v := range values {
			value[batch[i].Architecture] = v
		}
		return err
	}
	for {
		at, ok := starts.draw(&r.Random)
		if !ok {
			return nil
		}
		if known[at] {
			continue
		}
		if err := evaluate([]int{at}); err != nil {
			return err
		}
		for {
			neighbours := nas.NeighbourIndices(at)
			order := neighbours[:]
			shuffle(&r.Random, order)
			if err := evaluate(order); err != nil {
				return err
			}
			best := order[0]
			for _, n := range order[1:] {
				if value[n] > value[best] {
					best = n
				}
			}
			if value[best] <= value[at] {
				break
			}
			at = best
		}
	}
}

func shuffle(random *Source, x []int) {
	for i := len(x) - 1; i > 0; i-- {
		j := random.Below(i + 1)
		x[i], x[j] = x[j], x[i]
	}
}
