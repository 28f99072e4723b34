package search

import (
	"context"
	"slices"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/search/algorithm"
)

// Hyperband is a block `search "hyperband"`.
type Hyperband struct{ Multi }

var hyperband = sync.OnceValue(func() *stages.Kind {
	return stages.Define[Hyperband](stages.Kind{
		Block: "search", Type: "hyperband", Version: 1, Reproducible: true, Resumes: true,
		Doc:     "Hyperband (Li et al., JMLR 2018): brackets of successive halving over the epochs that the table has. Nothing is resumed: a promoted architecture pays its epochs in full.",
		Outputs: commonDocs(),
	})
})

// OutputTypes implements stages.Stage.
func (*Hyperband) OutputTypes(stages.Attrs) map[string]cty.Type { return commonTypes() }

// Check implements stages.Checker.
func (*Hyperband) Check(attrs stages.Attrs) []stages.Problem { return checkMulti(attrs) }

// Run implements stages.Stage.
func (s *Hyperband) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	return s.search(ctx, in, out, algorithm.Hyperband{Eta: s.Eta})
}

// ASHA is a block `search "asha"`.
type ASHA struct{ Multi }

var asha = sync.OnceValue(func() *stages.Kind {
	return stages.Define[ASHA](stages.Kind{
		Block: "search", Type: "asha", Version: 1, Reproducible: true, Resumes: true,
		Doc:     "Asynchronous successive halving (Li et al., MLSys 2020) with one worker, over the epochs that the table has. Nothing is resumed.",
		Outputs: commonDocs(),
	})
})

// OutputTypes implements stages.Stage.
func (*ASHA) OutputTypes(stages.Attrs) map[string]cty.Type { return commonTypes() }

// Check implements stages.Checker.
func (*ASHA) Check(attrs stages.Attrs) []stages.Problem { return checkMulti(attrs) }

// Run implements stages.Stage.
func (s *ASHA) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	return s.search(ctx, in, out, algorithm.ASHA{Eta: s.Eta})
}

// BOHB is a block `search "bohb"`.
type BOHB struct {
	Multi
	Samples        int     `attr:"samples,key" default:"4" doc:"Proposals of which the one with the best ratio of densities is taken."`
	MinBandwidth   float64 `attr:"min_bandwidth,key" default:"0.3" doc:"Least bandwidth of the kernels."`
	RandomFraction float64 `attr:"random_fraction,key" default:"0" doc:"Share of proposals drawn uniformly. NATS-Bench: 0."`
	TopPercent     int     `attr:"top_percent,key" default:"15" doc:"Percentage of architectures that count as good; at least 7 do."`
}

var bohb = sync.OnceValue(func() *stages.Kind {
	return stages.Define[BOHB](stages.Kind{
		Block: "search", Type: "bohb", Version: 1, Reproducible: true, Resumes: true,
		Doc: "BOHB (Falkner et al., ICML 2018) with the options of NATS-Bench: Hyperband that draws from kernel density estimates of good and bad architectures. " +
			"Until 14 architectures have been evaluated with the same epochs there is no estimate, and it is Hyperband.",
		Outputs: commonDocs(),
	})
})

// OutputTypes implements stages.Stage.
func (*BOHB) OutputTypes(stages.Attrs) map[string]cty.Type { return commonTypes() }

// Check implements stages.Checker.
func (*BOHB) Check(attrs stages.Attrs) []stages.Problem {
	p := checkMulti(attrs)
	p.whole(attrs, "samples", 1, 100_000)
	p.whole(attrs, "top_percent", 1, 99)
	p.between(attrs, "min_bandwidth", 1e-9, 0.8)
	p.between(attrs, "random_fraction", 0, 1)
	return p
}

// Run implements stages.Stage.
func (s *BOHB) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	runs, err := s.on(ctx, in, out, s.fidelities(), s.Rungs, algorithm.BOHB{
		Eta: s.Eta, Samples: s.Samples, MinBandwidth: s.MinBandwidth, RandomFraction: s.RandomFraction, TopPercent: s.TopPercent,
	})
	if err == nil && !slices.ContainsFunc(runs, modelled) {
		out.Warn("no run evaluated %d architectures with the same epochs, so that BOHB never had a model and was Hyperband; raise budget", algorithm.EnoughForModel)
	}
	return err
}

// modelled reports whether BOHB had a model in the run.
func modelled(r *algorithm.Run) bool {
	counts := make([]int, len(r.Fidelities()))
	for _, s := range r.Steps() {
		if counts[s.Fidelity]++; counts[s.Fidelity] == algorithm.EnoughForModel {
			return true
		}
	}
	return false
}
