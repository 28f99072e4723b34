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

// course is what all jobs have in common that train in epochs: the script asks
// for a plan of each epoch, tells of its steps and then of its figures, F, and
// keeps a checkpoint.
type course[F any] struct {
	*job
	epochs int         // in all
	steps  int         // an epoch
	number func(F) int // of the epoch that the figures are of, from 0

	plan  func(epoch int) (map[string]any, error) // of an epoch
	after bool                                    // the script asks for one more plan after the last epoch
	step  func(done, total int)                   // hook; nil for none
	epoch func(F)                                 // hook; nil for none

	told    int // steps that the hook has been told of
	done    []F // figures of the epochs that are done
	resumed int // epochs that a checkpoint had done
}

// newCourse makes a job of that mode; the caller removes it.
func newCourse[F any](ctx context.Context, e *Engine, mode string, ask *nn.Job, number func(F) int) (*course[F], error) {
	j, err := e.newJob(ctx, mode)
	if err != nil {
		return nil, err
	}
	steps := (ask.Train.Seen(ask.Recipe.Augmentation) + ask.Recipe.BatchSize - 1) / ask.Recipe.BatchSize
	return &course[F]{job: j, epochs: ask.Recipe.Epochs, steps: steps, number: number}, nil
}

// keep makes the script keep a checkpoint at the path, under a digest of the job
// and of what more its result depends on.
func (c *course[F]) keep(ctx context.Context, ask *nn.Job, path, more string) error {
	version, err := c.engine.Version(ctx)
	if err != nil {
		return err
	}
	if c.spec.Job, err = ask.Digest(version + more); err != nil {
		return err
	}
	c.spec.Checkpoint, err = preparedCheckpoint(path)
	return err
}

// goOn starts after the epochs that a checkpoint has.
func (c *course[F]) goOn(epochs []F) error {
	if len(epochs) > c.epochs {
		return fmt.Errorf("checkpoint %s has %d epochs of %d; remove it to start from the beginning", c.spec.Checkpoint, len(epochs), c.epochs)
	}
	c.spec.Resume = true
	c.resumed, c.told = len(epochs), len(epochs)*c.steps
	for _, figures := range epochs {
		c.finished(figures)
	}
	return nil
}

// run runs the script to the end of the last epoch.
func (c *course[F]) run(ctx context.Context) error {
	err := c.job.run(ctx, c.handle)
	if c.spec.Checkpoint != "" {
		os.Remove(partial(c.spec.Checkpoint)) // there only where the script was ended while it wrote
	}
	if err == nil && len(c.done) != c.epochs {
		err = &Error{Kind: Malformed, Message: fmt.Sprintf("the script told of %d epochs of %d", len(c.done), c.epochs)}
	}
	return err
}

func (c *course[F]) handle(m *message, script *child) error {
	switch m.Type {
	case "step":
		return c.stepped(m)
	case "want":
		return c.answer(m.Epoch, script)
	case "epoch":
		var figures F
		if err := json.Unmarshal(m.Figures, &figures); err != nil || c.number(figures) != len(c.done) {
			return unexpected(m)
		}
		c.finished(figures)
		return nil
	}
	return unexpected(m)
}

// stepped tells of each step: the script tells of several at a time.
func (c *course[F]) stepped(m *message) error {
	if m.Done < c.told || m.Done > m.Total || m.Total != c.steps*c.epochs {
		return unexpected(m)
	}
	for c.told < m.Done {
		c.told++
		if c.step != nil {
			c.step(c.told, m.Total)
		}
	}
	return nil
}

func (c *course[F]) finished(figures F) {
	c.done = append(c.done, figures)
	if c.epoch != nil {
		c.epoch(figures)
	}
}

// answer sends the plan of an epoch.
func (c *course[F]) answer(epoch int, script *child) error {
	if epoch != len(c.done) || epoch > c.epochs || epoch == c.epochs && !c.after {
		return &Error{Kind: Malformed, Message: fmt.Sprintf("the script asked for epoch %d after %d epochs", epoch, len(c.done))}
	}
	plan, err := c.plan(epoch)
	if err != nil {
		return err
	}
	line, err := json.Marshal(plan)
	if err != nil {
		return err
	}
	script.answer(line)
	return nil
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
