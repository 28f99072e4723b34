package gorgonia

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/kernel"
)

// trainer is one training.
type trainer[T kernel.Float] struct {
	*session[T]
	job      *nn.Job
	digest   string
	programs map[int]*program[T]
	valid    *evaluator[T]
	solver   *descent[T]
	history  []nn.EpochMetrics
	observe  func(loss float64) // of each step; may be nil
}

func train[T kernel.Float](ctx context.Context, e *Engine, set *kernel.Set[T], job *nn.Job, hooks nn.Hooks, observe func(loss float64)) (*nn.Result, error) {
	weights := job.Weights
	if weights == nil {
		weights = nn.InitialWeights(job.Network, job.Seed)
	}
	s, err := newSession(job.Network, set, job.Threads, weights, job.Recipe.Loss, job.Decoding)
	if err != nil {
		return nil, err
	}
	t := &trainer[T]{session: s, job: job, programs: map[int]*program[T]{}, solver: newDescent(set, job.Recipe.Optimizer), observe: observe}
	t.valid = &evaluator[T]{session: s, programs: map[int]*program[T]{}, metric: job.Recipe.Metric, size: job.Recipe.BatchSize}
	if err := t.resume(ctx, e); err != nil {
		return nil, err
	}
	resumed := len(t.history)
	for _, m := range t.history {
		if hooks.Epoch != nil {
			hooks.Epoch(m)
		}
	}
	for epoch := resumed; epoch < job.Recipe.Epochs; epoch++ {
		if err := t.epoch(ctx, epoch, hooks); err != nil {
			return nil, err
		}
		if err := t.save(); err != nil {
			return nil, err
		}
	}
	all := s.export(s.network.Parameters)
	maps.Copy(all, s.export(s.network.Buffers))
	return &nn.Result{Epochs: t.history, Weights: all, Resumed: resumed}, nil
}

// resume takes over the checkpoint of this job, if there is one.
func (t *trainer[T]) resume(ctx context.Context, e *Engine) error {
	if t.job.Checkpoint == "" {
		return nil
	}
	name, err := e.Version(ctx)
	if err != nil {
		return err
	}
	if t.digest, err = t.job.Digest(name); err != nil {
		return err
	}
	c, err := nn.LoadCheckpoint(t.job.Checkpoint, t.digest, t.network)
	if c == nil || err != nil {
		return err
	}
	for name, w := range c.Weights {
		copy(t.weights[name], convert[T](w.Data))
	}
	for name, v := range c.Velocity {
		t.solver.velocity[name] = convert[T](v.Data)
	}
	t.history = c.Epochs
	return nil
}

func (t *trainer[T]) save() error {
	if t.job.Checkpoint == "" {
		return nil
	}
	all := t.export(t.network.Parameters)
	maps.Copy(all, t.export(t.network.Buffers))
	velocity := make(nn.Weights, len(t.solver.velocity))
	for name, v := range t.solver.velocity {
		shape, _ := t.network.Parameter(name)
		velocity[name] = nn.Tensor{Shape: shape.Shape, Data: convert[float64](v)}
	}
	c := nn.Checkpoint{Job: t.digest, Epochs: t.history, Weights: all, Velocity: velocity}
	return c.Save(t.job.Checkpoint, t.job.Recipe.Precision)
}

func (t *trainer[T]) epoch(ctx context.Context, epoch int, hooks nn.Hooks) error {
	r := &t.job.Recipe
	t.solver.rate = r.LearningRate(epoch)
	batches := nn.Batches(t.job.Seed, epoch, t.job.Train, r, t.network.Input)
	var total sums
	for step, b := range batches {
		if err := ctx.Err(); err != nil {
			return err
		}
		t.seed, t.steps = t.job.Seed, epoch*len(batches)+step
		if err := t.step(b, epoch, step, &total); err != nil {
			return err
		}
		if hooks.Step != nil {
			hooks.Step(epoch*len(batches)+step+1, r.Epochs*len(batches))
		}
	}
	if !t.finite() {
		return &nn.DivergedError{Epoch: epoch, Step: len(batches) - 1, Loss: math.NaN()}
	}
	m := nn.EpochMetrics{Epoch: epoch, LearningRate: t.solver.rate}
	m.TrainLoss, m.TrainMetric = total.means()
	if t.job.Valid != nil {
		total, err := t.valid.run(ctx, t.job.Valid, nil)
		if err != nil {
			return err
		}
		loss, metric := total.means()
		m.ValidLoss, m.ValidMetric = &loss, &metric
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return &nn.DivergedError{Epoch: epoch, Step: len(batches) - 1, Loss: loss}
		}
	}
	t.history = append(t.history, m)
	if hooks.Epoch != nil {
		hooks.Epoch(m)
	}
	return nil
}

func (t *trainer[T]) step(b nn.Batch, epoch, step int, total *sums) error {
	p, ok := t.programs[len(b.Indices)]
	if !ok {
		var err error
		if p, err = t.program(len(b.Indices), training, t.job.Recipe.Metric, false); err != nil {
			return err
		}
		t.programs[len(b.Indices)] = p
	}
	p.load(t.job.Train, b, t.job.Recipe.Augmentation)
	if err := p.run(); err != nil {
		return fmt.Errorf("epoch %d, step %d: %w", epoch, step, err)
	}
	if v := p.stepLoss(); math.IsNaN(v) || math.IsInf(v, 0) {
		return &nn.DivergedError{Epoch: epoch, Step: step, Loss: v}
	}
	if t.observe != nil {
		var mean sums
		mean.add(p.losses, p.metrics)
		loss, _ := mean.means()
		t.observe(loss)
	}
	total.add(p.losses, p.metrics)
	return t.solver.Step(p.model())
}

// trained is a parameter as a gorgonia solver sees it.
type trained[T kernel.Float] struct {
	name           string
	value, deriver *value[T]
}

// Value implements gorgonia.Valuer.
func (t trained[T]) Value() G.Value { return t.value.content() }

// Grad implements gorgonia.ValueGrad.
func (t trained[T]) Grad() (G.Value, error) { return t.deriver.content(), nil }

// model lists the parameters that have gradients, by name.
func (p *program[T]) model() []G.ValueGrad {
	var list []G.ValueGrad
	for _, name := range slices.Sorted(maps.Keys(p.params)) {
		if g := p.gradients[name]; g != nil {
			list = append(list, trained[T]{name, p.params[name], g})
		}
	}
	return list
}

// descent is a gorgonia.Solver: stochastic gradient descent as PyTorch has it.
// gorgonia's own applies weight decay to the velocity.
type descent[T kernel.Float] struct {
	set      *kernel.Set[T]
	recipe   nn.Optimizer
	rate     float64
	velocity map[string][]T
}

func newDescent[T kernel.Float](set *kernel.Set[T], o nn.Optimizer) *descent[T] {
	return &descent[T]{set: set, recipe: o, velocity: map[string][]T{}}
}

// Step implements gorgonia.Solver.
func (d *descent[T]) Step(model []G.ValueGrad) error {
	for _, vg := range model {
		t, ok := vg.(trained[T])
		if !ok {
			return fmt.Errorf("solver: %T is no parameter of this engine", vg)
		}
		grad, err := t.Grad()
		if err != nil {
			return err
		}
		w, g := t.Value().(*tensor.Dense).Data().([]T), grad.(*tensor.Dense).Data().([]T)
		v := d.velocity[t.name]
		if v == nil {
			v = make([]T, len(w))
			d.velocity[t.name] = v
		}
		d.set.Descend(w, g, v, T(d.rate), T(d.recipe.Momentum), T(d.recipe.WeightDecay), d.recipe.Nesterov)
	}
	return nil
}
