package retrain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Common are the attributes of every kind here.
type Common struct {
	training.DataOptions
	training.RecipeOptions
	training.EngineOptions
	Seeds    []uint64 `attr:"seeds,key" default:"[777]" doc:"A training each: of initial weights, order and augmentation of the samples."`
	Fit      []string `attr:"fit,key" default:"[\"train\", \"validation\"]" doc:"Splits that are trained on. With [\"train\"], the validation split is evaluated after each epoch."`
	Examples int      `attr:"examples,key" default:"2" doc:"Samples of the test split whose outputs are kept, by the first seed."`
}

const maxSeeds = 1000

func checkCommon(attrs stages.Attrs) training.Problems {
	var p training.Problems
	p.CheckRecipe(attrs)
	p.CheckEngine(attrs)
	p.Whole(attrs, "examples", 0, 1000)
	if attrs.Known("seeds") {
		checkSeeds(&p, attrs["seeds"])
	}
	for i, name := range attrs.Strings("fit") {
		if name != training.Train && name != training.Validation || slices.Contains(attrs.Strings("fit")[:i], name) {
			p.Add("fit", "Not what can be trained on", "fit has %q. It is [\"train\"] or [\"train\", \"validation\"]; the test split is for the error.", name)
		}
	}
	if attrs.Known("fit") && len(attrs.Strings("fit")) == 0 {
		p.Add("fit", "Nothing to train on", "fit is empty. It is [\"train\"] or [\"train\", \"validation\"].")
	}
	return p
}

func checkSeeds(p *training.Problems, v cty.Value) {
	v, _ = v.UnmarkDeep()
	if n := v.LengthInt(); n < 1 || n > maxSeeds {
		p.Add("seeds", "Not a number of trainings", "There are %d seeds; from 1 to %d are possible.", n, maxSeeds)
	}
	seen := map[string]bool{}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if e.IsNull() {
			p.Add("seeds", "This is no seed", "A null is no number.")
			continue
		}
		text := stages.NumberText(e.AsBigFloat())
		if _, err := strconv.ParseUint(text, 10, 64); err != nil {
			p.Add("seeds", "This is no seed", "%s is not a whole number from 0 to 18446744073709551615.", text)
		}
		if seen[text] {
			p.Add("seeds", "A seed twice", "%s stands there twice: the second training would give the same as the first.", text)
		}
		seen[text] = true
	}
}

// resources asks for a core a training.
func (c *Common) resources(memory int64) stages.Resources {
	const most = 16
	n := min(max(len(c.Seeds), 1), most)
	r := stages.Resources{CPUs: float64(n), Memory: int64(n)*memory + c.Held(c.Engine)}
	if c.Engine == training.Torch && c.Device == "cuda" {
		r = stages.Resources{CPUs: 1, Memory: memory + c.Held(c.Engine), GPUs: 1}
	}
	return r
}

// retraining is a node at work.
type retraining struct {
	*Common
	in       *stages.Input
	data     *training.Data
	prepared *training.Prepared
	network  *nn.Network
	recipe   nn.Recipe
	done     []*training.Trained // by seed, without weights
	weights  string              // folder
	resumed  int                 // epochs that an attempt before had done, of all seeds
}

func (c *Common) retrain(ctx context.Context, in *stages.Input, out *stages.Output, family training.Network, build func(*training.Prepared) (*nn.Network, error)) error {
	r := &retraining{Common: c, in: in, done: make([]*training.Trained, len(c.Seeds)), weights: filepath.Join(in.Scratch, "weights")}
	var err error
	if r.data, err = training.Read(ctx, in, c.Data, c.ReadsFiles()); err != nil {
		return err
	}
	if r.prepared, err = r.data.Prepare(c.Fit); err != nil {
		return err
	}
	if r.recipe, err = c.RecipeOptions.For(family, &r.data.Description); err != nil {
		return err
	}
	if r.network, err = build(r.prepared); err != nil {
		return fmt.Errorf("data: a network for samples of %s: %w", r.prepared.Input, err)
	}
	trainer, version, err := c.Trainer(ctx, in, len(c.Seeds))
	if err != nil {
		return err
	}
	out.Facts["engine"] = version
	if err := r.train(ctx, trainer); err != nil {
		return err
	}
	if r.resumed > 0 {
		out.Metrics["epochs_done_before"] = float64(r.resumed)
	}
	return r.publish(out)
}

// train trains once a seed.
func (r *retraining) train(ctx context.Context, trainer *training.Trainer) error {
	if err := os.Mkdir(r.weights, 0o755); err != nil {
		return err
	}
	tasks := make([]training.Task, len(r.Seeds))
	for i, seed := range r.Seeds {
		tasks[i] = training.Task{
			Name: fmt.Sprintf("seed-%d", seed), Network: r.network, Recipe: r.recipe, Data: r.prepared, Seed: seed, Test: true,
		}
	}
	tasks[0].Outputs = r.Examples
	return trainer.Run(ctx, tasks, func(i int, t *training.Trained) error {
		r.resumed += t.Resumed
		err := r.keepWeights(r.Seeds[i], t.Weights)
		t.Weights = nil // many seeds of a large network would not fit
		r.done[i] = t
		return err
	})
}

func (r *retraining) keepWeights(seed uint64, w nn.Weights) (err error) {
	network, err := r.network.Encode()
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(r.weights, fmt.Sprintf("seed-%d.safetensors", seed)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b := bufio.NewWriter(f)
	metadata := map[string]string{"network": string(network), "seed": strconv.FormatUint(seed, 10), "format": "pt"}
	if err := nn.WriteTensors(b, w, r.recipe.Precision, metadata); err != nil {
		return err
	}
	return b.Flush()
}
