package search

import (
	"context"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/search/algorithm"
)

// Pruning is a block `search "operation_pruning"`.
type Pruning struct {
	Single
	PerEdge bool `attr:"per_edge,key" default:"false" doc:"Remove an operation from one edge at a time; else from all edges at once."`
	Sample  int  `attr:"sample,key" default:"50" doc:"Evaluated architectures of the current space that the averages of a step need."`
	Size    int  `attr:"size,key" default:"250" doc:"Architectures that are to be left at least: a step below is not made."`
}

var pruning = sync.OnceValue(func() *stages.Kind {
	return stages.Define[Pruning](stages.Kind{
		Block: "search", Type: "operation_pruning", Version: 1, Reproducible: true, Resumes: true,
		Doc: "Shrinking of the space by removing operations: step by step the one whose architectures have the lowest average in a sample of what is left; " +
			"the rest of the budget samples what is kept. What LISSNAS is to be compared with.",
		Outputs: withDocs(spaceDocs()),
	})
})

// OutputTypes implements stages.Stage.
func (*Pruning) OutputTypes(stages.Attrs) map[string]cty.Type { return withTypes(spaceTypes()) }

// Check implements stages.Checker.
func (*Pruning) Check(attrs stages.Attrs) []stages.Problem {
	p := checkSingle(attrs)
	p.whole(attrs, "sample", 1, nas.Size)
	p.whole(attrs, "size", 1, nas.Size)
	p.withoutRepeats(attrs, nas.Size, "there are 15625 architectures and none is evaluated twice; lower budget")
	return p
}

// Run implements stages.Stage.
func (s *Pruning) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	d, err := s.load(ctx, in, s.fidelities(), nil)
	if err != nil {
		return err
	}
	defer d.close(out)
	runs, err := s.execute(ctx, in, algorithm.Plan{Objective: d.objective, Algorithm: algorithm.Pruning{PerEdge: s.PerEdge, Sample: s.Sample, Size: s.Size}})
	if err != nil {
		return err
	}
	if err := s.publishSpaces(ctx, in, out, d, runs); err != nil {
		return err
	}
	return s.publish(in, out, d, runs)
}
