package torch

import (
	"context"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// training is a job of mode train with what its messages need.
type training struct {
	*course[nn.EpochMetrics]
	ask *nn.Job
}

// Train trains in a process of its own. The checkpoint is written by the
// script, in the form of nn.Checkpoint. Training with float16 (mixed precision
// on a GPU before Ampere) keeps the scale of its gradients in it, too.
func (e *Engine) Train(ctx context.Context, ask *nn.Job, hooks nn.Hooks) (*nn.Result, error) {
	if err := ask.Validate(); err != nil {
		return nil, err
	}
	c, err := newCourse(ctx, e, "train", ask, func(m nn.EpochMetrics) int { return m.Epoch })
	if err != nil {
		return nil, err
	}
	defer c.remove()
	t := &training{course: c, ask: ask}
	c.step, c.epoch, c.plan = hooks.Step, hooks.Epoch, t.epochPlan
	weights, err := t.prepare(ctx)
	if err != nil {
		return nil, err
	}
	if weights == nil {
		if err := c.run(ctx); err != nil {
			return nil, err
		}
		if weights, err = c.result(); err != nil {
			return nil, err
		}
	}
	if err := weights.Check(ask.Network); err != nil {
		return nil, err
	}
	return &nn.Result{Epochs: c.done, Weights: weights, Resumed: c.resumed}, nil
}

// prepare writes the files, and returns the weights where a checkpoint has all
// epochs done.
func (t *training) prepare(ctx context.Context) (nn.Weights, error) {
	if t.ask.Checkpoint != "" {
		done, err := t.resume(ctx)
		if done != nil || err != nil {
			return done, err
		}
	}
	weights := t.ask.Weights
	if weights == nil {
		weights = nn.InitialWeights(t.ask.Network, t.ask.Seed)
	}
	r := &t.ask.Recipe
	if err := t.network(t.ask.Network, weights, t.ask.Decoding, r.Precision); err != nil {
		return nil, err
	}
	var err error
	if t.spec.Train, err = t.data("train", t.ask.Train, r.Loss); err != nil {
		return nil, err
	}
	if t.ask.Valid != nil {
		if t.spec.Valid, err = t.data("valid", t.ask.Valid, r.Loss); err != nil {
			return nil, err
		}
	}
	t.spec.Recipe = r
	return nil, nil
}

// resume looks for a checkpoint of this job.
func (t *training) resume(ctx context.Context) (nn.Weights, error) {
	if err := t.keep(ctx, t.ask, t.ask.Checkpoint, ""); err != nil {
		return nil, err
	}
	c, err := nn.LoadCheckpoint(t.spec.Checkpoint, t.spec.Job, t.ask.Network)
	if c == nil || err != nil {
		return nil, err
	}
	if err := t.goOn(c.Epochs); err != nil || len(c.Epochs) < t.epochs {
		return nil, err
	}
	return c.Weights, nil
}

// epochPlan gives the batches of an epoch, in the place of those of the one before.
func (t *training) epochPlan(epoch int) (map[string]any, error) {
	const batches, dropout = "batches.npy", "dropout.npy"
	plan := map[string]any{"batches": t.path(batches), "learning_rate": t.ask.Recipe.LearningRate(epoch)}
	if err := t.schedule(batches, nn.Batches(t.ask.Seed, epoch, t.ask.Train, &t.ask.Recipe, t.ask.Network.Input)); err != nil {
		return nil, err
	}
	if len(t.spec.Network.Dropouts) > 0 {
		plan["dropout"] = t.path(dropout)
		if err := t.dropoutKeys(dropout, t.ask.Seed, epoch*t.steps, t.steps); err != nil {
			return nil, err
		}
	}
	return plan, nil
}
