package search

import (
	"context"
	"math"
	"sync"

	"github.com/zclconf/go-cty/cty"

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
	Tolerance float64 `attr:"tolerance,key" default:"0" doc:"Rise of a sample's average, in the unit of task or of the metric, that still counts as a plateau."`
}

var lissnas = sync.OnceValue(func() *stages.Kind {
	return stages.Define[LISSNAS](stages.Kind{
		Block: "search", Type: "lissnas", Version: 2, Reproducible: true, Resumes: true,
		Doc: "Locality-based shrinking of the space (LISSNAS, Gopal et al., IJCAI 2023): pockets around good architectures, until a sample's average stops rising; " +
			"the rest of the budget samples them. Says how small, how good and how diverse the pockets are.",
		Outputs: withDocs(spaceDocs()),
	})
})

// OutputTypes implements stages.Stage.
func (*LISSNAS) OutputTypes(stages.Attrs) map[string]cty.Type { return withTypes(spaceTypes()) }

// Check implements stages.Checker.
func (*LISSNAS) Check(attrs stages.Attrs) []stages.Problem {
	p := checkSingle(attrs)
	p.whole(attrs, "sample", 2, nas.Size)
	p.whole(attrs, "seeds", 1, nas.Size)
	p.whole(attrs, "radius", 1, nas.NumEdges)
	p.whole(attrs, "rounds", 1, 1000)
	p.between(attrs, "tolerance", 0, math.MaxFloat64)
	if attrs.Known("sample", "seeds") && stages.Number(attrs["seeds"]) > stages.Number(attrs["sample"]) {
		p.add("seeds", "More seeds than samples", "%v seeds of a sample of %v.", stages.Number(attrs["seeds"]), stages.Number(attrs["sample"]))
	}
	if attrs.Known("sample", "budget", "budget_in") && stages.Text(attrs["budget_in"]) == "evaluations" && stages.Number(attrs["sample"]) > stages.Number(attrs["budget"]) {
		p.add("sample", "Sample larger than the budget", "One sample takes %v evaluations, the budget is %v.", stages.Number(attrs["sample"]), stages.Number(attrs["budget"]))
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
	defer d.close(out)
	runs, err := s.execute(ctx, in, algorithm.Plan{Objective: d.objective, Algorithm: algorithm.LISSNAS{
		Sample: s.Sample, Seeds: s.Seeds, Radius: s.Radius, Rounds: s.Rounds, Tolerance: s.Tolerance,
	}})
	if err != nil {
		return err
	}
	if err := s.publishSpaces(ctx, in, out, d, runs); err != nil {
		return err
	}
	return s.publish(in, out, d, runs)
}
