package algorithm

import (
	"context"
	"math"
	"slices"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/search/objective"
)

// LISSNAS shrinks the space to pockets around good architectures (Gopal et al.,
// IJCAI 2023): in each round it samples the space, takes the best of the sample
// as seeds, and makes the seeds with their neighbours the next space, until a
// sample's average no longer rises; then the space before is kept. What is left
// of the budget samples the kept space. What was evaluated once in a run is
// remembered and costs nothing more. An evaluation that failed is the last of its
// sample and counts, in the average, as the lowest that did not.
//
// The paper's sample sizes are not known to us; those of the kind are ours.
type LISSNAS struct {
	Sample    int     // architectures a round
	Seeds     int     // of the sample
	Radius    int     // edits from a seed to its farthest neighbour
	Rounds    int     // at most
	Tolerance float64 // a rise of the average up to this counts as a plateau
}

// Search implements Algorithm and sets r.Space.
func (a LISSNAS) Search(ctx context.Context, r *Run) error {
	known := map[int]float64{}
	r.Space = wholeSpace()
	space, average := r.Space, 0.0
	for round := range a.Rounds + 1 {
		picked := Pick(&r.Random, space, a.Sample)
		if err := remember(ctx, r, known, picked); err != nil {
			return err
		}
		values := make([]float64, len(picked))
		for i, n := range picked {
			values[i] = known[n]
		}
		sum, lowest := 0.0, lowestFinite(values)
		for _, v := range values {
			sum += max(v, lowest)
		}
		mean := sum / float64(len(picked))
		if round > 0 && !(mean > average+a.Tolerance) {
			break
		}
		r.Space, average = space, mean
		var seeds []int
		for _, at := range falling(values)[:min(a.Seeds, len(values))] {
			seeds = append(seeds, picked[at])
		}
		space = Pockets(seeds, a.Radius)
	}
	return remember(ctx, r, known, Pick(&r.Random, r.Space, len(r.Space)))
}

// lowestFinite is what failures (minus infinity) count as in averages: one of them
// would else outweigh all that is known of the others. Minus infinity if all failed.
func lowestFinite(values []float64) float64 {
	lowest := math.Inf(1)
	for _, v := range values {
		if !math.IsInf(v, -1) {
			lowest = min(lowest, v)
		}
	}
	if math.IsInf(lowest, 1) {
		return math.Inf(-1)
	}
	return lowest
}

// Pick draws n members of a list without replacement, or all if they are not more.
func Pick(random *Source, list []int, n int) []int {
	s := newSample(len(list))
	out := make([]int, 0, min(max(0, n), len(list)))
	for len(out) < n {
		one, ok := s.draw(random)
		if !ok {
			break
		}
		out = append(out, list[one])
	}
	return out
}

// remember evaluates what is not known yet, as one batch.
func remember(ctx context.Context, r *Run, known map[int]float64, architectures []int) error {
	var trials []objective.Trial
	for _, n := range architectures {
		if _, ok := known[n]; !ok {
			trials = append(trials, objective.Trial{Architecture: n, Fidelity: r.Top()})
		}
	}
	values, err := r.EvaluateAll(ctx, trials)
	for i, v := range values {
		known[trials[i].Architecture] = v
	}
	return err
}

// Pockets lists the architectures within radius edits of any seed, ascending.
func Pockets(seeds []int, radius int) []int {
	inside := new(seen)
	var out []int
	for _, n := range seeds {
		if !inside[n] {
			inside[n] = true
			out = append(out, n)
		}
	}
	front := out
	for range radius {
		var next []int
		for _, n := range front {
			for _, m := range nas.NeighbourIndices(n) {
				if !inside[m] {
					inside[m] = true
					next = append(next, m)
				}
			}
		}
		out, front = append(out, next...), next
	}
	slices.Sort(out)
	return out
}

// NumStarts is the number of cells without none, where AutoShrink starts.
const NumStarts = 4096

// MostShrinks is how many cells AutoShrink evaluates in a run at most: the start, and
// each removal from 6 edges, from 5, and so on.
const MostShrinks = 1 + 6 + 5 + 4 + 3 + 2 + 1

// AutoShrink removes edges (Zhang et al., AAAI 2020, Algorithm 1), adapted to
// cells whose edges carry one operation each: from a cell without none, every
// edge in turn is set to none as a trial, the removal with the highest value is
// kept, and so on until no edge is left. The paper draws 10 candidates a step; a
// cell has 6 edges, so all are tried. Edges whose source the input no longer
// reaches are removed with the trial's edge. What was evaluated once in a run is
// remembered and costs nothing more.
//
// The objective's value is to be the paper's score, which trades accuracy
// against multiply-accumulates. Since the graphs kept have the highest values of
// their steps, the best on the path is the best of the run.
type AutoShrink struct {
	From  nas.Cell // start of every run; without edges it says nothing
	Drawn bool     // start at a drawn cell; else run number i starts at cell i of the 4096
}

// Search implements Algorithm.
func (a AutoShrink) Search(ctx context.Context, r *Run) error {
	cell := a.start(r)
	known := map[int]float64{}
	if err := remember(ctx, r, known, []int{nas.Index(cell)}); err != nil {
		return err
	}
	for cell != (nas.Cell{}) {
		var candidates []int
		for e, op := range cell {
			if n := nas.Index(without(cell, e)); op != nas.None && !slices.Contains(candidates, n) {
				candidates = append(candidates, n)
			}
		}
		if err := remember(ctx, r, known, candidates); err != nil {
			return err
		}
		best := candidates[0]
		for _, n := range candidates[1:] {
			if known[n] > known[best] {
				best = n
			}
		}
		cell = nas.At(best)
	}
	return nil
}

func (a AutoShrink) start(r *Run) nas.Cell {
	switch {
	case a.From != nas.Cell{}:
		return a.From
	case a.Drawn:
		return Start(r.Random.Below(NumStarts))
	}
	return Start(r.Number % NumStarts)
}

// Start is the cell without none of number n: base 4, the last edge slowest.
func Start(n int) nas.Cell {
	var c nas.Cell
	for e := range c {
		c[e] = nas.Op(1 + n%(nas.NumOps-1))
		n /= nas.NumOps - 1
	}
	return c
}

// without removes an edge, and those whose source has become unreachable.
func without(c nas.Cell, edge int) nas.Cell {
	c[edge] = nas.None
	reached := [nas.NumNodes]bool{true}
	for i, e := range nas.Edges() {
		if !reached[e.From] {
			c[i] = nas.None
		}
		if c[i] != nas.None {
			reached[e.To] = true
		}
	}
	return c
}
