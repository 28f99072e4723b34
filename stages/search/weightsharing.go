package search

import (
	"context"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/torch"
	"github.com/nbpipe/nbpipe/stages/training"
)

// WeightSharing are the attributes of searches that train one network, the
// supernet, whose weights all architectures share. Defaults are those of NATS-Bench.
type WeightSharing struct {
	training.EngineOptions
	training.Skeleton
	Data   stages.File  `attr:"data,key,optional" doc:"Folder of arrays with dataset.json, such as dataset.NAME.data. Weights are trained on its training split; logits, and the metric of cells, are of its validation split."`
	Table  stages.Table `attr:"table,optional" doc:"Not for this search: a table of results has no weights to share."`
	Engine string       `attr:"engine,key" default:"\"torch\"" doc:"torch: no other engine trains supernets."`

	Epochs            int     `attr:"epochs,key" default:"100" doc:"Times that the training split is seen. NATS-Bench's number."`
	BatchSize         int     `attr:"batch_size,key" default:"64" doc:"Samples a step, of weights and of logits."`
	LearningRate      float64 `attr:"learning_rate,key" default:"0.025" doc:"Learning rate of the weights at the start."`
	FinalLearningRate float64 `attr:"final_learning_rate,key" default:"0.001" doc:"Where the cosine from learning_rate leads."`
	Momentum          float64 `attr:"momentum,key" default:"0.9" doc:"Nesterov's momentum of the weights; 0 for none."`
	WeightDecay       float64 `attr:"weight_decay,key" default:"0.0005" doc:"Weight decay of the weights."`
	Clip              float64 `attr:"clip,key" default:"5" doc:"Largest norm of the weights' gradient."`
	ValidationSamples int     `attr:"validation_samples,key" default:"512" doc:"Samples of the validation split, drawn once a run, by which cells are judged with the shared weights, in one batch; at most all."`
	Precision         string  `attr:"precision,key" default:"\"float32\"" doc:"float32, float64, or mixed (on a GPU with bfloat16)."`
	Crop              *int    `attr:"crop,key,optional" doc:"Pixels by which training images are shifted at random, at most; 4 for CIFAR-100, else 0 where it is left out."`
	Flip              *bool   `attr:"flip,key,optional" doc:"Training images are mirrored at random; true for CIFAR-100 where it is left out."`
	Cutout            *int    `attr:"cutout,key,optional" doc:"Side of a square of zeros in training images; 16 for CIFAR-100, else 0 where it is left out."`

	Runs      int    `attr:"runs,key" default:"1" doc:"Independent runs, a supernet each. Run i draws from a stream of its own, of seed and i."`
	FirstRun  int    `attr:"first_run,key" default:"0" doc:"Number of the first run: first_run = 2 with runs = 1 repeats run 2."`
	Seed      uint64 `attr:"seed,key" default:"777" doc:"Seed of the runs and of the resampling."`
	Resamples int    `attr:"resamples,key" default:"1000" doc:"Resamples of runs behind each interval."`
}

// LogitOptions are the attributes of searches that train an architecture's logits.
type LogitOptions struct {
	ArchitectureLearningRate float64 `attr:"architecture_learning_rate,key" default:"0.0003" doc:"Learning rate of Adam (betas 0.5 and 0.999), which trains the logits."`
	ArchitectureWeightDecay  float64 `attr:"architecture_weight_decay,key" default:"0.001" doc:"Weight decay of the logits."`
}

// maxSupernets is how many runs a node makes: each trains a network.
const maxSupernets = 1000

// check is said of a kind by its type.
func (*WeightSharing) check(kind string, attrs stages.Attrs) training.Problems {
	var p training.Problems
	switch {
	case given(attrs, "table"):
		p.Add("table", "Not on a table", "search %q trains one network whose weights all architectures share. A table holds what networks came to that were trained one by one, "+
			"so this search cannot be replayed on it: leave table out, and give data = dataset.NAME.data.", kind)
	case !given(attrs, "data"):
		p.Add("data", "Nothing to train on", "search %q trains a network: data = dataset.NAME.data names the folder.", kind)
	}
	if attrs.Known("engine") && stages.Text(attrs["engine"]) != training.Torch {
		p.Add("engine", "Not with this engine", "engine is %q; weights are shared in PyTorch alone: write engine = %q, or leave it out.", stages.Text(attrs["engine"]), training.Torch)
	}
	p.CheckEngine(stages.Attrs{"device": attrs["device"], "threads": attrs["threads"]})
	p.CheckSkeleton(attrs)
	p.CheckRecipe(attrs)
	p.Number(attrs, "final_learning_rate", 0, 1e6, true)
	if attrs.Known("final_learning_rate", "learning_rate") && stages.Number(attrs["final_learning_rate"]) > stages.Number(attrs["learning_rate"]) {
		p.Add("final_learning_rate", "Out of range", "final_learning_rate is %v, over the learning_rate of %v that it falls from.",
			stages.Number(attrs["final_learning_rate"]), stages.Number(attrs["learning_rate"]))
	}
	p.Number(attrs, "clip", 0, 1e12, false)
	p.Whole(attrs, "validation_samples", 1, 1<<20)
	p.Whole(attrs, "runs", 1, maxSupernets)
	p.Whole(attrs, "first_run", 0, 1<<40)
	p.Whole(attrs, "resamples", 1, maxResamples)
	return p
}

func (*LogitOptions) check(p *training.Problems, attrs stages.Attrs) {
	p.Number(attrs, "architecture_learning_rate", 0, 1e6, false)
	p.Number(attrs, "architecture_weight_decay", 0, 1e6, true)
}

// engine are the options of the only engine.
func (s *WeightSharing) engine() *training.EngineOptions {
	o := s.EngineOptions
	o.Engine, o.Only = training.Torch, true
	return &o
}

// Probes implements stages.Tooled.
func (s *WeightSharing) Probes() map[string]stages.Probe { return s.engine().Probes() }

// Versions implements stages.Versioned.
func (s *WeightSharing) Versions() map[string]string { return s.engine().Versions() }

// options are those of the block and of the data.
func (s *WeightSharing) options(d *training.Description) torch.SupernetOptions {
	o := torch.DefaultSupernetOptions()
	o.Epochs, o.BatchSize, o.ValidationSamples = s.Epochs, s.BatchSize, s.ValidationSamples
	o.Optimizer = nn.Optimizer{LearningRate: s.LearningRate, Momentum: s.Momentum, Nesterov: s.Momentum > 0, WeightDecay: s.WeightDecay}
	o.FinalRate, o.Clip = s.FinalLearningRate, s.Clip
	o.Loss, o.Metric, o.Precision = d.Loss, d.Metric, nn.Precision(s.Precision)
	usual := training.Defaults(training.Cell, d.Task).Augmentation
	o.Augmentation = nn.Augmentation{Crop: training.Or(s.Crop, usual.Crop), Flip: training.Or(s.Flip, usual.Flip), Cutout: training.Or(s.Cutout, usual.Cutout)}
	return o
}

func (l *LogitOptions) set(o *torch.SupernetOptions) {
	o.Architecture.LearningRate, o.Architecture.WeightDecay = l.ArchitectureLearningRate, l.ArchitectureWeightDecay
}

// DARTS is a block `search "darts"`.
type DARTS struct {
	WeightSharing
	LogitOptions
}

var darts = sync.OnceValue(func() *stages.Kind {
	return stages.Define[DARTS](stages.Kind{
		Block: "search", Type: "darts", Version: 1, Reproducible: true, Resumes: true,
		Doc: "DARTS (Liu et al., ICLR 2019), first order, with the options of NATS-Bench: a supernet adds up all operations of an edge, weighted by a softmax of logits. " +
			"In turn, weights take a step on the training split and logits one on the validation split. The cell has each edge's operation with the largest logit.",
		Outputs: logitDocs(),
	})
})

// OutputTypes implements stages.Stage.
func (*DARTS) OutputTypes(stages.Attrs) map[string]cty.Type { return logitTypes() }

// Check implements stages.Checker.
func (s *DARTS) Check(attrs stages.Attrs) []stages.Problem {
	p := s.WeightSharing.check("darts", attrs)
	s.LogitOptions.check(&p, attrs)
	return p
}

// Run implements stages.Stage.
func (s *DARTS) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	return s.search(ctx, in, out, torch.DARTS, s.set)
}

// GDAS is a block `search "gdas"`.
type GDAS struct {
	WeightSharing
	LogitOptions
	FirstTemperature float64 `attr:"first_temperature,key" default:"10" doc:"Temperature of the Gumbel softmax in the first epoch."`
	LastTemperature  float64 `attr:"last_temperature,key" default:"0.1" doc:"Temperature in the last epoch; between them it falls linearly."`
}

var gdas = sync.OnceValue(func() *stages.Kind {
	return stages.Define[GDAS](stages.Kind{
		Block: "search", Type: "gdas", Version: 1, Reproducible: true, Resumes: true,
		Doc: "GDAS (Dong and Yang, CVPR 2019) with the options of NATS-Bench: each step runs one operation an edge, drawn from the logits' softmax with Gumbel noise; gradients pass through the softmax. " +
			"In turn, weights take a step on the training split and logits one on the validation split. The cell has each edge's operation with the largest logit.",
		Outputs: logitDocs(),
	})
})

// OutputTypes implements stages.Stage.
func (*GDAS) OutputTypes(stages.Attrs) map[string]cty.Type { return logitTypes() }

// Check implements stages.Checker.
func (s *GDAS) Check(attrs stages.Attrs) []stages.Problem {
	p := s.WeightSharing.check("gdas", attrs)
	s.LogitOptions.check(&p, attrs)
	p.Number(attrs, "first_temperature", 0, 1e6, false)
	p.Number(attrs, "last_temperature", 0, 1e6, false)
	return p
}

// Run implements stages.Stage.
func (s *GDAS) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	return s.search(ctx, in, out, torch.GDAS, func(o *torch.SupernetOptions) {
		s.set(o)
		o.FirstTemperature, o.LastTemperature = s.FirstTemperature, s.LastTemperature
	})
}

// RSPS is a block `search "rsps"`.
type RSPS struct {
	WeightSharing
	Candidates int `attr:"candidates,key" default:"100" doc:"Cells that are drawn and judged with the shared weights in the end."`
}

var rsps = sync.OnceValue(func() *stages.Kind {
	return stages.Define[RSPS](stages.Kind{
		Block: "search", Type: "rsps", Version: 1, Reproducible: true, Resumes: true,
		Doc: "Random search with parameter sharing (Li and Talwalkar, UAI 2019; RSPS in NATS-Bench): each step trains a uniformly drawn cell's share of the weights on the training split. " +
			"Then drawn cells are judged with the shared weights on the validation split, and the best is returned. There are no logits.",
		Outputs: sharingDocs(),
	})
})

// OutputTypes implements stages.Stage.
func (*RSPS) OutputTypes(stages.Attrs) map[string]cty.Type { return sharingTypes() }

// Check implements stages.Checker.
func (s *RSPS) Check(attrs stages.Attrs) []stages.Problem {
	p := s.check("rsps", attrs)
	p.Whole(attrs, "candidates", 1, 1_000_000)
	return p
}

// Run implements stages.Stage.
func (s *RSPS) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	return s.search(ctx, in, out, torch.Random, func(o *torch.SupernetOptions) { o.Candidates = s.Candidates })
}
