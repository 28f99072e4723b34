package training

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/torch"
)

// Sharing is one search with shared weights.
type Sharing struct {
	Name string // as that of Task
	Job  torch.SupernetJob
}

// Share makes searches with shared weights as Run trains tasks. It needs engine
// torch.
func (t *Trainer) Share(ctx context.Context, tasks []Sharing, done func(i int, r *torch.SupernetResult) error) error {
	var all int64
	for i := range tasks {
		j := &tasks[i].Job
		all += stepsOf(j.Options.Epochs, j.Options.BatchSize, j.Options.Augmentation, j.Train)
	}
	steps := newSteps(t.Progress, len(tasks), all)
	var mu sync.Mutex
	return t.each(ctx, len(tasks), t.Workers, func(ctx context.Context, engine nn.Engine, i int) error {
		r, err := t.share(ctx, engine, &tasks[i], func(n int) { steps.report(i, n) })
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		return done(i, r)
	})
}

func (t *Trainer) share(ctx context.Context, engine nn.Engine, task *Sharing, step func(done int)) (*torch.SupernetResult, error) {
	e, ok := engine.(*torch.Engine)
	if !ok {
		return nil, fmt.Errorf("engine: %s trains no supernets; engine = %q does", engine.Name(), Torch)
	}
	job := task.Job
	if t.Resume != "" {
		job.Checkpoint = filepath.Join(t.Resume, task.Name+".safetensors")
	}
	r, err := e.Supernet(ctx, &job, torch.SupernetHooks{Step: func(done, _ int) { step(done) }})
	if err != nil {
		if diverged := new(nn.DivergedError); errors.As(err, &diverged) {
			err = errors.Join(err, t.Forget(task.Name)) // the same would come of it again
		}
		return nil, explained(only(err, true))
	}
	return r, nil
}
