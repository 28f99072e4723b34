package search

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/search/algorithm"
)

// LISSNAS is a block `search "lissnas"`.
type LISSNAS struct {
	Single
	Sample    int     `attr:"sample,key" default:"50" doc:"Architectures drawn in a round. The paper's number is not known to us; this one is ours."`
	Seeds     int     `attr:"seeds,key" default:"10" doc:"Best of the sample, around which the next space lies. Ours, as sample."`
	Radius    int     `attr:"radius,key" default:"1" doc:"Edits from a seed to the farthest neighbour that joins. Ours, as sample."`
	Rounds    int     `attr:"rounds,key" default:"5" doc:"Rounds of shrinking at most."`
	Tolerance float64 `attr:"tolerance,key" default:"0" doc:"Rise of a sample's average, in the unit of task, that still counts as a plateau."`
}

var lissnas = sync.OnceValue(func() *stages.Kind {
	return stages.Define[LISSNAS](stages.Kind{
		Block: "search", Type: "lissnas", Version: 1, Reproducible: true,
		Doc: "Locality-based shrinking of the space (LISSNAS, Gopal et al., IJCAI 2023): pockets around good architectures, until a sample's average stops rising; " +
			"the rest of the budget samples them. Says how small, how good and how diverse the pockets are.",
		Outputs: withDocs(map[string]string{
			"size_ratio": "Size of the space that is left, as a share of all.", "mean_gain": "Mean of that space less the mean of all, by the reported column, higher being better.",
			"recall": "Share of the true best 1 % that is left.", "diversity": "Mean edit distance between two architectures of it.",
			"pockets": "How many parts it has that no single edit connects.", "tau": "Kendall's tau-b, within it, of the searched and the reported column.",
		}),
	})
})

// spaceOutputs describe the space that a run was left with, as means over runs.
var spaceOutputs = []string{"size_ratio", "mean_gain", "recall", "diversity", "pockets", "tau"}

// OutputTypes implements stages.Stage.
func (*LISSNAS) OutputTypes(stages.Attrs) map[string]cty.Type {
	own := map[string]cty.Type{}
	for _, name := range spaceOutputs {
		own[name] = summaryType
	}
	return withTypes(own)
}

// Check implements stages.Checker.
func (*LISSNAS) Check(attrs stages.Attrs) []stages.Problem {
	p := checkSingle(attrs)
	p.tableOnly(attrs)
	p.whole(attrs, "sample", 2, nas.Size)
	p.whole(attrs, "seeds", 1, nas.Size)
	p.whole(attrs, "radius", 1, nas.NumEdges)
	p.whole(attrs, "rounds", 1, 1000)
	p.between(attrs, "tolerance", 0, math.MaxFloat64)
	if attrs.Known("sample", "seeds") && number(attrs["seeds"]) > number(attrs["sample"]) {
		p.add("seeds", "More seeds than samples", "%v seeds of a sample of %v.", number(attrs["seeds"]), number(attrs["sample"]))
	}
	if attrs.Known("sample", "budget", "budget_in") && text(attrs["budget_in"]) == "evaluations" && number(attrs["sample"]) > number(attrs["budget"]) {
		p.add("sample", "Sample larger than the budget", "One sample takes %v evaluations, the budget is %v.", number(attrs["sample"]), number(attrs["budget"]))
	}
	p.withoutRepeats(attrs, nas.Size, "there are 15625 architectures and none is evaluated twice; lower budget")
	return p
}

// Run implements stages.Stage.
func (s *LISSNAS) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	d, err := s.load(ctx, in, s.fidelities(), nil)
	if err != nil {
		return err
	}
	runs, err := s.execute(ctx, in, algorithm.Plan{Objective: d.objective, Algorithm: algorithm.LISSNAS{
		Sample: s.Sample, Seeds: s.Seeds, Radius: s.Radius, Rounds: s.Rounds, Tolerance: s.Tolerance,
	}})
	if err != nil {
		return err
	}
	if err := s.describe(ctx, out, d, runs); err != nil {
		return err
	}
	return s.publish(in, out, d, runs)
}

// describe sets the outputs about the spaces.
func (s *LISSNAS) describe(ctx context.Context, out *stages.Output, d *data, runs []*algorithm.Run) error {
	top := d.top()
	values := map[string][]float64{}
	for _, r := range runs {
		if err := ctx.Err(); err != nil {
			return err
		}
		tau := math.NaN()
		if d.reported {
			c, err := stats.KendallTauB(at(d.searched[0], r.Space), at(d.report, r.Space))
			if err != nil {
				return err
			}
			tau = c.Value
		}
		for i, v := range []float64{
			float64(len(r.Space)) / nas.Size, d.gain(r.Space), recall(r.Space, top), diversity(r.Space), float64(components(r.Space)), tau,
		} {
			values[spaceOutputs[i]] = append(values[spaceOutputs[i]], v)
		}
	}
	for _, name := range spaceOutputs {
		v, err := s.summary(values[name])
		if err != nil {
			return err
		}
		out.Set(name, v)
	}
	return nil
}

// top marks the best 1 % by the reported column, ties by number.
func (d *data) top() []bool {
	order := make([]int, nas.Size)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if d.minimise {
			return cmp.Compare(d.report[a], d.report[b])
		}
		return cmp.Compare(d.report[b], d.report[a])
	})
	top := make([]bool, nas.Size)
	for _, a := range order[:int(math.Round(0.01*nas.Size))] {
		top[a] = true
	}
	return top
}

// gain is by how much the space's average reported value is better than that of
// all architectures.
func (d *data) gain(space []int) float64 {
	sum, all := 0.0, 0.0
	for _, a := range space {
		sum += d.report[a]
	}
	for _, v := range d.report {
		all += v
	}
	return d.regret(all/nas.Size, sum/float64(len(space)))
}

// recall is the share of the marked architectures that the space holds.
func recall(space []int, top []bool) float64 {
	held, all := 0, 0
	for _, a := range space {
		if top[a] {
			held++
		}
	}
	for _, t := range top {
		if t {
			all++
		}
	}
	return float64(held) / float64(all)
}

// diversity is the mean number of edges on which two members differ, 0 to 6.
// All 15,625 have 4.8.
func diversity(space []int) float64 {
	var counts [nas.NumEdges][nas.NumOps]float64
	for _, a := range space {
		for e, op := range nas.At(a) {
			counts[e][op]++
		}
	}
	n := float64(len(space))
	if n < 2 {
		return math.NaN()
	}
	total := 0.0
	for _, edge := range counts {
		same := 0.0
		for _, c := range edge {
			same += c * (c - 1)
		}
		total += 1 - same/(n*(n-1))
	}
	return total
}

// components counts the pockets: parts of the space that no single edit joins.
func components(space []int) int {
	unseen := make([]bool, nas.Size)
	for _, a := range space {
		unseen[a] = true
	}
	count := 0
	var stack []int
	for _, a := range space {
		if !unseen[a] {
			continue
		}
		count++
		unseen[a] = false
		for stack = append(stack, a); len(stack) > 0; {
			last := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for _, n := range nas.NeighbourIndices(last) {
				if unseen[n] {
					unseen[n] = false
					stack = append(stack, n)
				}
			}
		}
	}
	return count
}

func at(values []float64, positions []int) []float64 {
	out := make([]float64, len(positions))
	for i, p := range positions {
		out[i] = values[p]
	}
	return out
}
