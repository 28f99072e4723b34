package search

import (
	"context"
	"errors"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/search/algorithm"
)

// search runs an algorithm and sets the common outputs.
func (s *Single) search(ctx context.Context, in *stages.Input, out *stages.Output, a algorithm.Algorithm) error {
	_, err := s.on(ctx, in, out, s.fidelities(), nil, a)
	return err
}

func (s *Multi) search(ctx context.Context, in *stages.Input, out *stages.Output, a algorithm.Algorithm) error {
	_, err := s.on(ctx, in, out, s.fidelities(), s.Rungs, a)
	return err
}

// on searches and publishes the outputs.
func (c *Common) on(ctx context.Context, in *stages.Input, out *stages.Output, fidelities []fidelity, rungs []int, a algorithm.Algorithm) ([]*algorithm.Run, error) {
	d, err := c.load(ctx, in, fidelities, rungs)
	if err != nil {
		return nil, err
	}
	defer d.close(out)
	runs, err := c.execute(ctx, in, algorithm.Plan{Algorithm: a, Objective: d.objective})
	if err != nil {
		return nil, err
	}
	return runs, c.publish(in, out, d, runs)
}

// Random is a block `search "random"`.
type Random struct {
	Single
	Replacement bool `attr:"replacement,key" default:"false" doc:"An architecture may be drawn again within a run, as in NATS-Bench's code."`
}

var random = sync.OnceValue(func() *stages.Kind {
	return stages.Define[Random](stages.Kind{
		Block: "search", Type: "random", Version: 1, Reproducible: true, Resumes: true,
		Doc:     "Random search: uniformly drawn architectures. What any other search has to beat.",
		Outputs: commonDocs(),
	})
})

// OutputTypes implements stages.Stage.
func (*Random) OutputTypes(stages.Attrs) map[string]cty.Type { return commonTypes() }

// Check implements stages.Checker.
func (*Random) Check(attrs stages.Attrs) []stages.Problem {
	p := checkSingle(attrs)
	if attrs.Known("replacement") && attrs["replacement"].False() {
		p.withoutRepeats(attrs, nas.Size, "there are 15625 architectures and none is drawn twice; lower budget, or say replacement = true")
	}
	return p
}

// Run implements stages.Stage.
func (s *Random) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	return s.search(ctx, in, out, algorithm.Random{Replacement: s.Replacement})
}

// Evolution is a block `search "regularized_evolution"`.
type Evolution struct {
	Single
	Population int `attr:"population,key" default:"10" doc:"Members of the population; the oldest dies."`
	Sample     int `attr:"sample,key" default:"3" doc:"Members drawn, with replacement, for the tournament whose best is the parent."`
}

var evolution = sync.OnceValue(func() *stages.Kind {
	return stages.Define[Evolution](stages.Kind{
		Block: "search", Type: "regularized_evolution", Version: 1, Reproducible: true, Resumes: true,
		Doc:     "Regularized evolution (Real et al., AAAI 2019) by the protocol of NATS-Bench: a child is the best of a few members with one operation changed.",
		Outputs: commonDocs(),
	})
})

// OutputTypes implements stages.Stage.
func (*Evolution) OutputTypes(stages.Attrs) map[string]cty.Type { return commonTypes() }

// Check implements stages.Checker.
func (*Evolution) Check(attrs stages.Attrs) []stages.Problem {
	p := checkSingle(attrs)
	p.whole(attrs, "population", 1, 1_000_000)
	p.whole(attrs, "sample", 1, 1_000_000)
	return p
}

// Run implements stages.Stage.
func (s *Evolution) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	return s.search(ctx, in, out, algorithm.Evolution{Population: s.Population, Sample: s.Sample})
}

// LocalSearch is a block `search "local_search"`.
type LocalSearch struct{ Single }

var localSearch = sync.OnceValue(func() *stages.Kind {
	return stages.Define[LocalSearch](stages.Kind{
		Block: "search", Type: "local_search", Version: 1, Reproducible: true, Resumes: true,
		Doc:     "Local search (White et al., UAI 2021): evaluates all 24 neighbours, moves to the best, starts again at a local optimum. No architecture is paid for twice in a run.",
		Outputs: commonDocs(),
	})
})

// OutputTypes implements stages.Stage.
func (*LocalSearch) OutputTypes(stages.Attrs) map[string]cty.Type { return commonTypes() }

// Check implements stages.Checker.
func (*LocalSearch) Check(attrs stages.Attrs) []stages.Problem {
	p := checkSingle(attrs)
	p.withoutRepeats(attrs, nas.Size, "there are 15625 architectures and none is evaluated twice; lower budget")
	return p
}

// Run implements stages.Stage.
func (s *LocalSearch) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	return s.search(ctx, in, out, algorithm.LocalSearch{})
}

// Reinforce is a block `search "reinforce"`.
type Reinforce struct {
	Single
	LearningRate float64 `attr:"learning_rate,key" default:"0.01" doc:"Learning rate of Adam."`
	Momentum     float64 `attr:"momentum,key" default:"0.9" doc:"Momentum of the moving average that is the baseline."`
}

var reinforce = sync.OnceValue(func() *stages.Kind {
	return stages.Define[Reinforce](stages.Kind{
		Block: "search", Type: "reinforce", Version: 1, Reproducible: true, Resumes: true,
		Doc:     "REINFORCE (Williams, 1992) by the protocol of NATS-Bench: a softmax an edge, trained by Adam on the reward above a moving baseline. Returns the best architecture seen.",
		Outputs: commonDocs(),
	})
})

// OutputTypes implements stages.Stage.
func (*Reinforce) OutputTypes(stages.Attrs) map[string]cty.Type { return commonTypes() }

// Check implements stages.Checker.
func (*Reinforce) Check(attrs stages.Attrs) []stages.Problem {
	p := checkSingle(attrs)
	p.between(attrs, "learning_rate", 0, 100)
	p.between(attrs, "momentum", 0, 0.999999)
	return p
}

// Run implements stages.Stage.
func (s *Reinforce) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	return s.search(ctx, in, out, algorithm.Reinforce{LearningRate: s.LearningRate, Momentum: s.Momentum})
}

// Bananas is a block `search "bananas"`.
type Bananas struct {
	Single
	Initial     int     `attr:"initial,key" default:"10" doc:"Random architectures at the start."`
	Batch       int     `attr:"batch,key" default:"10" doc:"Evaluations between two fits of the predictor."`
	Candidates  int     `attr:"candidates,key" default:"100" doc:"Mutants among which the acquisition function chooses."`
	Parents     int     `attr:"parents,key" default:"10" doc:"Best architectures so far, whose mutants they are."`
	Acquisition string  `attr:"acquisition,key" default:"\"its\"" doc:"its (independent Thompson sampling) or ucb (upper confidence bound)."`
	UCB         float64 `attr:"ucb,key" default:"0.5" doc:"Standard deviations that ucb adds to the mean."`
}

var bananas = sync.OnceValue(func() *stages.Kind {
	return stages.Define[Bananas](stages.Kind{
		Block: "search", Type: "bananas", Version: 1, Reproducible: true, Resumes: true,
		Doc: "Bayesian optimisation in the manner of BANANAS (White et al., AAAI 2021): path encoding, mutants of the best, ITS or UCB. " +
			"The predictor is a Gaussian process and not the paper's ensemble of networks.",
		Outputs: commonDocs(),
	})
})

// maxBananas bounds the predictor: its six factors take 24 bytes a pair of data.
const maxBananas = 2000

// OutputTypes implements stages.Stage.
func (*Bananas) OutputTypes(stages.Attrs) map[string]cty.Type { return commonTypes() }

// Check implements stages.Checker.
func (*Bananas) Check(attrs stages.Attrs) []stages.Problem {
	p := checkSingle(attrs)
	for _, name := range []string{"initial", "batch", "candidates", "parents"} {
		p.whole(attrs, name, 1, maxBananas)
	}
	p.oneOf(attrs, "acquisition", "its", "ucb")
	p.between(attrs, "ucb", 1e-9, 1e9)
	p.withoutRepeats(attrs, maxBananas, "the predictor grows with the square of the budget and is limited to 2000; lower budget")
	return p
}

// Resources implements stages.Estimator.
func (s *Bananas) Resources() stages.Resources {
	r := s.Single.Resources()
	n := int64(min(s.evaluations(s.Epochs), maxBananas))
	r.Memory += int64(s.workers()) * 24 * n * n
	return r
}

// Run implements stages.Stage.
func (s *Bananas) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	a := algorithm.Bananas{Initial: s.Initial, Batch: s.Batch, Candidates: s.Candidates, Parents: s.Parents}
	if s.Acquisition == "ucb" {
		a.UCB = s.UCB
	}
	return s.search(ctx, in, out, a)
}

// isSpent says that a run ended as it should.
func isSpent(err error) bool { return errors.Is(err, algorithm.ErrSpent) }
