package training

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/torch"
)

// Task is one training.
type Task struct {
	Name    string // of its checkpoint: a file name, another one for each task
	Network *nn.Network
	Recipe  nn.Recipe
	Data    *Prepared
	Seed    uint64
	Test    bool // evaluate on the test split afterwards
	Outputs int  // give the first outputs on the test split, so many
}

// Trained is a finished training.
type Trained struct {
	*nn.Result
	Valid   *float64      // metric on the validation split after the last epoch; nil where it is not evaluated
	Test    *nn.Evaluated // nil where there is no test split, or it was not asked for
	Outputs nn.Array      // (samples, ...), decoded: of the first test samples
}

// Trainer runs trainings, several at a time.
type Trainer struct {
	// New makes an engine: each of the trainings that run at the same time has one
	// of its own.
	New      func() (nn.Engine, error)
	Workers  int    // trainings at the same time
	Threads  int    // of each
	Resume   string // folder of checkpoints; "" for none
	Memory   int64  // bytes that all of them may take; 0 where it is not known
	Progress stages.Progress
}

// Run trains all tasks and calls done as each ends, never twice at a time. The
// error is that of the first task, by order, that failed; those before it are
// finished.
func (t *Trainer) Run(ctx context.Context, tasks []Task, done func(i int, r *Trained) error) error {
	var all int64
	for i := range tasks {
		all += stepsOf(tasks[i].Recipe.Epochs, tasks[i].Recipe.BatchSize, tasks[i].Recipe.Augmentation, tasks[i].Data.Train)
	}
	steps := newSteps(t.Progress, len(tasks), all)
	var mu sync.Mutex
	return t.each(ctx, len(tasks), t.fitting(tasks), func(ctx context.Context, engine nn.Engine, i int) error {
		r, err := t.Train(ctx, engine, &tasks[i], func(n int) { steps.report(i, n) })
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		return done(i, r)
	})
}

// each does n tasks in order, so many at a time, with an engine for each of these.
func (t *Trainer) each(ctx context.Context, n, workers int, do func(ctx context.Context, engine nn.Engine, i int) error) error {
	errs := make([]error, n)
	next := make(chan int)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(next)
		for i := range n {
			select {
			case next <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range max(1, min(workers, n)) {
		group.Go(func() error {
			engine, err := t.New()
			if err != nil {
				return err
			}
			for i := range next {
				if errs[i] = do(ctx, engine, i); errs[i] != nil {
					return errs[i]
				}
			}
			return nil
		})
	}
	err := group.Wait()
	for _, e := range errs {
		if e != nil && !errors.Is(e, context.Canceled) {
			return e
		}
	}
	return err
}

// Train trains one task with an engine; step is told of the steps done.
func (t *Trainer) Train(ctx context.Context, engine nn.Engine, task *Task, step func(done int)) (*Trained, error) {
	job := &nn.Job{
		Network: task.Network, Recipe: task.Recipe, Seed: task.Seed, Threads: t.Threads,
		Train: task.Data.Train, Valid: task.Data.Valid, Decoding: task.Data.Decoding,
	}
	if need := task.memory(); t.Memory > 0 && need > t.Memory {
		return nil, fmt.Errorf("batch_size: a training with batches of %d needs at least %.3g GB of memory, and this machine lends %.3g; "+
			"use smaller batches, or a smaller network", task.Recipe.BatchSize, float64(need)/1e9, float64(t.Memory)/1e9)
	}
	if t.Resume != "" {
		job.Checkpoint = filepath.Join(t.Resume, task.Name+".safetensors")
	}
	result, err := engine.Train(ctx, job, nn.Hooks{Step: func(done, _ int) { step(done) }})
	if err != nil {
		if diverged := new(nn.DivergedError); errors.As(err, &diverged) {
			err = errors.Join(err, t.Forget(task.Name)) // the same would come of it again
		}
		return nil, explained(err)
	}
	out := &Trained{Result: result}
	if task.Data.Valid != nil {
		if out.Valid, err = t.validate(ctx, engine, task, result); err != nil {
			return nil, err
		}
	}
	if !task.Test || task.Data.Test == nil {
		return out, nil
	}
	if out.Test, err = t.evaluate(ctx, engine, task, result.Weights, task.Data.Test, task.Outputs > 0); err != nil {
		return nil, fmt.Errorf("evaluating on the test split: %w", explained(err))
	}
	if task.Outputs > 0 {
		out.Outputs = first(out.Test.Outputs, task.Outputs)
	}
	out.Test.Outputs = nn.Array{}
	return out, nil
}

// validate is the metric on the validation split by the weights after the last epoch:
// the engine has it already unless it is one of a whole set.
func (t *Trainer) validate(ctx context.Context, engine nn.Engine, task *Task, result *nn.Result) (*float64, error) {
	if !task.Recipe.Metric.OfSet() {
		return result.Epochs[len(result.Epochs)-1].ValidMetric, nil
	}
	e, err := t.evaluate(ctx, engine, task, result.Weights, task.Data.Valid, false)
	if err != nil {
		return nil, fmt.Errorf("evaluating on the validation split: %w", explained(err))
	}
	return &e.Metric, nil
}

func (t *Trainer) evaluate(ctx context.Context, engine nn.Engine, task *Task, weights nn.Weights, data *nn.Dataset, outputs bool) (*nn.Evaluated, error) {
	metric := task.Recipe.Metric
	e, err := engine.Evaluate(ctx, &nn.Evaluation{
		Network: task.Network, Weights: weights, Data: data, Decoding: task.Data.Decoding,
		BatchSize: task.Recipe.BatchSize, Loss: task.Recipe.Loss, Metric: metric, Precision: task.Recipe.Precision,
		Outputs: outputs || metric.OfSet(), Threads: t.Threads,
	})
	if err != nil || !metric.OfSet() {
		return e, err
	}
	if e.Metric, err = score(metric, data, e.Outputs); err != nil {
		return nil, fmt.Errorf("metric %s: %w", metric, err)
	}
	return e, nil
}

// memory is what a training cannot do without in this process: for each parameter
// its value, gradient and velocity, and the result of each convolution of a batch.
func (t *Task) memory() int64 {
	shapes, err := t.Network.Shapes()
	if err != nil {
		return 0 // the engine says what is wrong
	}
	var elements int64
	for _, n := range t.Network.Live() {
		if n.Op == nn.OpConv2d {
			elements += int64(shapes[n.Name].Size())
		}
	}
	width := int64(4)
	if t.Recipe.Precision == nn.Float64 {
		width = 8
	}
	batch := min(t.Recipe.BatchSize, t.Data.Train.Len())
	return width * (3*t.Network.ParameterCount() + int64(batch)*elements)
}

// fitting is how many trainings at a time memory has room for.
func (t *Trainer) fitting(tasks []Task) int {
	workers := t.Workers
	for i := range tasks {
		if need := tasks[i].memory(); t.Memory > 0 && need > 0 {
			workers = min(workers, int(max(1, t.Memory/need)))
		}
	}
	return workers
}

// first is a copy of the first n samples.
func first(a nn.Array, n int) nn.Array {
	n = min(n, a.Len())
	size := len(a.Data) / max(1, a.Len())
	return nn.Array{Shape: append([]int{n}, a.Shape[1:]...), Data: append([]float32(nil), a.Data[:n*size]...)}
}

// only keeps a failure of PyTorch from proposing another engine where there is none.
func only(err error, alone bool) error {
	if failure := new(torch.Error); errors.As(err, &failure) {
		failure.Only = alone
	}
	return err
}

// explained names the attribute that helps most.
func explained(err error) error {
	if diverged := new(nn.DivergedError); errors.As(err, &diverged) {
		return fmt.Errorf("learning_rate: %w", err)
	}
	if failure := new(torch.Error); errors.As(err, &failure) {
		switch failure.Kind {
		case torch.NoPython, torch.OldPython, torch.NoTorch, torch.OldTorch:
			return fmt.Errorf("python: %w", err)
		case torch.NoCUDA:
			return fmt.Errorf("device: %w", err)
		case torch.OutOfMemory:
			return fmt.Errorf("batch_size: %w", err)
		}
	}
	return err
}

// steps adds up the steps of trainings that run at the same time.
type steps struct {
	progress stages.Progress
	mu       sync.Mutex
	done     []int
	sum, all int64
}

func newSteps(p stages.Progress, tasks int, all int64) *steps {
	return &steps{progress: p, done: make([]int, tasks), all: all}
}

// stepsOf is how many steps a training takes.
func stepsOf(epochs, batch int, how nn.Augmentation, data *nn.Dataset) int64 {
	return int64(epochs) * int64((data.Seen(how)+batch-1)/batch)
}

func (s *steps) report(i, done int) {
	s.mu.Lock()
	s.sum += int64(done - s.done[i])
	s.done[i] = done
	sum := s.sum
	s.mu.Unlock()
	if s.progress != nil {
		s.progress.Report(sum, s.all, "steps")
	}
}

// Forget removes the checkpoint of a task.
func (t *Trainer) Forget(name string) error {
	if t.Resume == "" {
		return nil
	}
	err := os.Remove(filepath.Join(t.Resume, name+".safetensors"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
