package torch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// training is a job of mode train with what its messages need.
type training struct {
	*job
	ask   *nn.Job
	hooks nn.Hooks
	steps int // an epoch
	told  int // steps that the hook has been told of
	out   nn.Result
}

// Train trains in a process of its own. The checkpoint is written by the
// script, in the form of nn.Checkpoint. Training with float16 (mixed precision
// on a GPU before Ampere) keeps the scale of its gradients in it, too.
func (e *Engine) Train(ctx context.Context, ask *nn.Job, hooks nn.Hooks) (*nn.Result, error) {
	if err := ask.Validate(); err != nil {
		return nil, err
	}
	j, err := e.newJob(ctx, "train")
	if err != nil {
		return nil, err
	}
	defer j.remove()
	t := &training{job: j, ask: ask, hooks: hooks}
	t.steps = (ask.Train.Seen(ask.Recipe.Augmentation) + ask.Recipe.BatchSize - 1) / ask.Recipe.BatchSize
	done, err := t.prepare(ctx)
	if err != nil {
		return nil, err
	}
	if done != nil {
		return done, nil
	}
	err = j.run(ctx, t.handle)
	if ask.Checkpoint != "" {
		os.Remove(partial(j.spec.Checkpoint)) // there only where the script was ended while it wrote
	}
	if err != nil {
		return nil, err
	}
	return t.finish()
}

// partial is where the script writes a checkpoint before it gets its name.
func partial(checkpoint string) string { return checkpoint + ".partial" }

// preparedCheckpoint returns the path for the script, and takes away what a
// script that was killed left beside it.
func preparedCheckpoint(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return "", fmt.Errorf("checkpoint %s: there is no folder for it", path)
	}
	if err := os.Remove(partial(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	return path, nil
}

// prepare writes the files, and returns the result where a checkpoint has all
// epochs done.
func (t *training) prepare(ctx context.Context) (*nn.Result, error) {
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
func (t *training) resume(ctx context.Context) (*nn.Result, error) {
	path, err := preparedCheckpoint(t.ask.Checkpoint)
	if err != nil {
		return nil, err
	}
	version, err := t.engine.Version(ctx)
	if err != nil {
		return nil, err
	}
	t.spec.Checkpoint = path
	if t.spec.Job, err = t.ask.Digest(version); err != nil {
		return nil, err
	}
	c, err := nn.LoadCheckpoint(path, t.spec.Job, t.ask.Network)
	if c == nil || err != nil {
		return nil, err
	}
	if len(c.Epochs) > t.ask.Recipe.Epochs {
		return nil, fmt.Errorf("checkpoint %s has %d epochs of %d; remove it to start from the beginning", path, len(c.Epochs), t.ask.Recipe.Epochs)
	}
	t.spec.Resume = true
	t.out.Resumed = len(c.Epochs)
	t.told = t.out.Resumed * t.steps
	for _, figures := range c.Epochs {
		t.epoch(figures)
	}
	if len(c.Epochs) == t.ask.Recipe.Epochs {
		t.out.Weights = c.Weights
		return &t.out, nil
	}
	return nil, nil
}

func (t *training) epoch(figures nn.EpochMetrics) {
	t.out.Epochs = append(t.out.Epochs, figures)
	if t.hooks.Epoch != nil {
		t.hooks.Epoch(figures)
	}
}

func (t *training) handle(m *message, c *child) error {
	switch m.Type {
	case "step":
		if m.Done < t.told || m.Done > m.Total || m.Total != t.steps*t.ask.Recipe.Epochs {
			return unexpected(m)
		}
		for t.told < m.Done {
			t.told++
			if t.hooks.Step != nil {
				t.hooks.Step(t.told, m.Total)
			}
		}
		return nil
	case "want":
		return t.epochPlan(m.Epoch, c)
	case "epoch":
		if m.Figures.Epoch != len(t.out.Epochs) {
			return unexpected(m)
		}
		t.epoch(m.Figures)
		return nil
	}
	return unexpected(m)
}

// epochPlan sends the batches of an epoch, and takes those of the one before
// away.
func (t *training) epochPlan(epoch int, c *child) error {
	if epoch != len(t.out.Epochs) || epoch >= t.ask.Recipe.Epochs {
		return &Error{Kind: Malformed, Message: fmt.Sprintf("the script asked for epoch %d after %d epochs", epoch, len(t.out.Epochs))}
	}
	const batches, dropout = "batches.npy", "dropout.npy"
	plan := map[string]any{"batches": t.path(batches), "learning_rate": t.ask.Recipe.LearningRate(epoch)}
	if err := t.schedule(batches, nn.Batches(t.ask.Seed, epoch, t.ask.Train, &t.ask.Recipe, t.ask.Network.Input)); err != nil {
		return err
	}
	if len(t.spec.Network.Dropouts) > 0 {
		plan["dropout"] = t.path(dropout)
		if err := t.dropoutKeys(dropout, t.ask.Seed, epoch*t.steps, t.steps); err != nil {
			return err
		}
	}
	line, err := json.Marshal(plan)
	if err != nil {
		return err
	}
	c.answer(line)
	return nil
}

func (t *training) finish() (*nn.Result, error) {
	if len(t.out.Epochs) != t.ask.Recipe.Epochs {
		return nil, &Error{Kind: Malformed, Message: fmt.Sprintf("the script told of %d epochs of %d", len(t.out.Epochs), t.ask.Recipe.Epochs)}
	}
	var err error
	if t.out.Weights, err = t.result(); err != nil {
		return nil, err
	}
	if err := t.out.Weights.Check(t.ask.Network); err != nil {
		return nil, err
	}
	return &t.out, nil
}
