package search

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/search/objective"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Train says how a search trains.
type Train struct {
	training.DataOptions
	training.Skeleton
	training.RecipeOptions
}

// resources are those of as many trainings as run at the same time.
func (t *Train) resources() stages.Resources {
	return stages.Resources{CPUs: mostTrainings, Memory: mostTrainings*t.Memory(training.Or(t.BatchSize, 16)) + t.Held("")}
}

// mostTrainings is how many networks a search trains at the same time.
const mostTrainings = 4

// errDiverged ends a search that found nothing.
var errDiverged = errors.New("train: every training diverged: the losses are no numbers; a smaller learning_rate most often helps, else check the data")

// Probes implements stages.Tooled.
func (c *Common) Probes() map[string]stages.Probe {
	if c.Train == nil {
		return nil
	}
	return c.EngineOptions.Probes()
}

// Versions implements stages.Versioned. What could matter to a search that trains
// is what matters to retraining.
func (c *Common) Versions() map[string]string {
	if c.Train == nil {
		return nil
	}
	return c.EngineOptions.Versions()
}

// trained is the objective of training: an architecture's value is minus its metric
// on the validation split after the last epoch. All trainings have the node's seed,
// so that a value does not depend on when it was asked for; each is made once.
type trained struct {
	train      *Train
	seed       uint64
	fidelities []objective.Fidelity
	recipes    []nn.Recipe // by fidelity
	prepared   *training.Prepared
	trainer    *training.Trainer
	engines    chan nn.Engine
	progress   stages.Progress
	most       int64 // trainings, at most; 0 where it is not known

	mu      sync.Mutex
	data    *data
	ready   map[objective.Trial]chan struct{} // closed when the value is there, or has failed
	journal *os.File                          // nil without a folder to resume from
	done    int64
}

// loadTraining prepares data and engines.
func (c *Common) loadTraining(ctx context.Context, in *stages.Input, rungs []int) (*data, error) {
	source, err := training.Read(ctx, in, c.Train.Data, c.ReadsFiles())
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	o := &trained{train: c.Train, seed: c.Seed, progress: in.Progress, ready: map[objective.Trial]chan struct{}{}}
	if o.prepared, err = source.Prepare([]string{training.Train}); err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	if o.prepared.Valid == nil {
		return nil, fmt.Errorf("train: data: the validation split has no samples, and architectures are judged by it; the test split stays unseen")
	}
	recipe, err := c.Train.For(training.Cell, &source.Description)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	if rungs == nil {
		rungs = []int{recipe.Epochs}
	}
	o.data = &data{objective: o, trained: o, minimise: true}
	for _, epochs := range rungs {
		if err := o.fidelity(&c.Train.RecipeOptions, &source.Description, epochs, c.BudgetIn == "epochs"); err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
	}
	o.data.report = o.data.searched[len(rungs)-1]
	if c.BudgetIn == "evaluations" {
		o.most = int64(c.Budget) * int64(c.Runs)
	}
	return o.data, o.start(ctx, in, &c.EngineOptions)
}

// fidelity adds one: a whole recipe of so many epochs, its schedule with it.
func (o *trained) fidelity(options *training.RecipeOptions, d *training.Description, epochs int, inEpochs bool) error {
	of := *options
	of.Epochs = &epochs
	recipe, err := of.For(training.Cell, d)
	if err != nil {
		return err
	}
	cost := 1.0
	if inEpochs {
		cost = float64(epochs)
	}
	values := make([]float64, nas.Size)
	for i := range values {
		values[i] = math.NaN()
	}
	o.recipes = append(o.recipes, recipe)
	o.fidelities = append(o.fidelities, objective.Fidelity{Epochs: epochs, Cost: cost})
	o.data.searched, o.data.epochs = append(o.data.searched, values), append(o.data.epochs, epochs)
	return nil
}

// start makes the engines and reads what an earlier attempt has trained.
func (o *trained) start(ctx context.Context, in *stages.Input, options *training.EngineOptions) error {
	var err error
	if o.trainer, _, err = options.Trainer(ctx, in, mostTrainings); err != nil {
		return err
	}
	o.engines = make(chan nn.Engine, o.trainer.Workers)
	for range o.trainer.Workers {
		e, err := o.trainer.New()
		if err != nil {
			return err
		}
		o.engines <- e
	}
	if in.Resume == "" {
		return nil
	}
	return o.recall(filepath.Join(in.Resume, "evaluations"))
}

// evaluation is a line of the journal.
type evaluation struct {
	Architecture int      `json:"architecture"`
	Fidelity     int      `json:"fidelity"`
	Metric       *float64 `json:"metric"` // null: the training diverged
}

// recall reads the journal, whose last line may be cut off, and opens it.
func (o *trained) recall(path string) error {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	whole := 0
	for line := range strings.Lines(string(text)) {
		var e evaluation
		if !strings.HasSuffix(line, "\n") || json.Unmarshal([]byte(line), &e) != nil ||
			nas.CheckIndex(int64(e.Architecture)) != nil || e.Fidelity < 0 || e.Fidelity >= len(o.fidelities) {
			break
		}
		whole += len(line)
		t := objective.Trial{Architecture: e.Architecture, Fidelity: e.Fidelity}
		if o.ready[t] == nil {
			o.ready[t] = make(chan struct{})
			close(o.ready[t])
			o.done++
		}
		o.note(t, e.Metric)
	}
	if o.journal, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return err
	}
	if err := o.journal.Truncate(int64(whole)); err != nil {
		return err
	}
	_, err = o.journal.Seek(int64(whole), 0)
	return err
}

// note keeps a metric; one that diverged is worse than any other.
func (o *trained) note(t objective.Trial, metric *float64) {
	v := math.Inf(1)
	if metric != nil {
		v = *metric
	}
	o.data.searched[t.Fidelity][t.Architecture] = v
}

// Fidelities implements objective.Objective.
func (o *trained) Fidelities() []objective.Fidelity { return o.fidelities }

// Evaluate implements objective.Objective: trials are trained at the same time
// where there are engines.
func (o *trained) Evaluate(ctx context.Context, trials []objective.Trial, values []float64) error {
	group, inner := errgroup.WithContext(ctx)
	for i, t := range trials {
		group.Go(func() (err error) {
			values[i], err = o.value(inner, t)
			return err
		})
	}
	return group.Wait()
}

// value trains the trial, or waits for the one who does.
func (o *trained) value(ctx context.Context, t objective.Trial) (float64, error) {
	o.mu.Lock()
	ready := o.ready[t]
	mine := ready == nil
	if mine {
		ready = make(chan struct{})
		o.ready[t] = ready
	}
	o.mu.Unlock()
	if mine {
		err := o.make(ctx, t)
		close(ready)
		if err != nil {
			return 0, err
		}
	}
	select {
	case <-ready:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	v := o.data.searched[t.Fidelity][t.Architecture]
	if math.IsNaN(v) { // the one who trained it has failed, and says why
		return 0, context.Canceled
	}
	return -v, nil
}

// make trains the trial with the next engine that is free.
func (o *trained) make(ctx context.Context, t objective.Trial) error {
	var engine nn.Engine
	select {
	case engine = <-o.engines:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { o.engines <- engine }()
	cell := nas.At(t.Architecture)
	network, err := o.train.Network(cell, o.prepared)
	if err != nil {
		return fmt.Errorf("train: data: a network for samples of %s: %w", o.prepared.Input, err)
	}
	task := training.Task{
		Name:    fmt.Sprintf("architecture-%d-epochs-%d", t.Architecture, o.fidelities[t.Fidelity].Epochs),
		Network: network, Recipe: o.recipes[t.Fidelity], Data: o.prepared, Seed: o.seed,
	}
	result, err := o.trainer.Train(ctx, engine, &task, func(int) {})
	var metric *float64
	switch diverged := new(nn.DivergedError); {
	case errors.As(err, &diverged):
	case err != nil:
		return fmt.Errorf("train: architecture %d (%s): %w", t.Architecture, cell, err)
	default:
		metric = result.Valid
		if metric == nil || math.IsNaN(*metric) || math.IsInf(*metric, 0) {
			metric = nil
		}
	}
	return o.record(t, metric, task.Name)
}

// record keeps a value, in the journal first: the checkpoint is then in nobody's way.
func (o *trained) record(t objective.Trial, metric *float64, name string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.journal != nil {
		line, err := json.Marshal(evaluation{t.Architecture, t.Fidelity, metric})
		if err != nil {
			return err
		}
		w := bufio.NewWriter(o.journal)
		fmt.Fprintf(w, "%s\n", line)
		if err := errors.Join(w.Flush(), o.journal.Sync()); err != nil {
			return fmt.Errorf("keeping what was trained: %w", err)
		}
		if err := o.trainer.Forget(name); err != nil {
			return err
		}
	}
	o.note(t, metric)
	o.done++
	o.progress.Report(o.done, o.most, "trainings")
	return nil
}

// close ends what load began: the journal is closed, and trainings that diverged
// are told of.
func (d *data) close(out *stages.Output) {
	o := d.trained
	if o == nil {
		return
	}
	diverged := 0
	for _, values := range o.data.searched {
		for _, v := range values {
			if math.IsInf(v, 1) {
				diverged++
			}
		}
	}
	if o.journal != nil {
		_ = o.journal.Close() // every line was synced
		if int64(diverged) == o.done {
			_ = os.Remove(o.journal.Name()) // nothing to go on with
		}
	}
	if diverged > 0 {
		out.Warn("%d of %d trainings diverged; their architectures count as the worst", diverged, o.done)
	}
}

// trains reports whether a block trains, as far as is known.
func trains(attrs stages.Attrs) bool { return given(attrs, "train") }

// given reports whether an attribute stands in the block, known or not.
func given(attrs stages.Attrs, name string) bool {
	v, ok := attrs[name]
	return ok && !v.IsNull()
}

// objective checks that there is one: a table or training.
func (p *problems) objective(attrs stages.Attrs) {
	switch {
	case given(attrs, "train") && given(attrs, "table"):
		p.add("train", "Two ways to evaluate", "Architectures are looked up in table, or trained as train says: leave out one of the two.")
	case !given(attrs, "train") && !given(attrs, "table"):
		p.add("table", "Nothing to search by", "Give a table to look architectures up in, or train = { data = ... } to train them.")
	}
	if !trains(attrs) || !attrs["train"].IsKnown() {
		return
	}
	v, _ := attrs["train"].Unmark()
	inner := stages.Attrs(v.AsValueMap())
	var q training.Problems
	q.CheckRecipe(inner)
	q.CheckSkeleton(inner)
	for _, problem := range q {
		p.add("train", problem.Summary, "%s: %s", problem.Attribute, problem.Detail)
	}
	q = nil
	withPrecision := stages.Attrs{"precision": inner["precision"], "engine": attrs["engine"], "device": attrs["device"], "threads": attrs["threads"]}
	q.CheckEngine(withPrecision)
	*p = append(*p, q...)
}

// without reports attributes that do not go with train.
func (p *problems) without(attrs stages.Attrs, names ...string) {
	for _, name := range names {
		if given(attrs, name) {
			p.add(name, "Not beside train", "%s is about a table, and this search trains. Leave it out.", name)
		}
	}
}

// rungs checks the epochs of a search that trains with several.
func (p *problems) rungs(attrs stages.Attrs) {
	p.without(attrs, "fidelities", "report")
	if !given(attrs, "rungs") {
		p.add("rungs", "No choice of epochs", "This search starts architectures with few epochs and goes on with the best: give at least two numbers, rungs = [1, 3, 9].")
		return
	}
	if !attrs.Known("rungs") {
		return
	}
	var q training.Problems
	q.Wholes(attrs, "rungs", 1, 1<<20)
	*p = append(*p, q...)
	var epochs []float64
	v, _ := attrs["rungs"].UnmarkDeep()
	for it := v.ElementIterator(); it.Next(); {
		if _, e := it.Element(); !e.IsNull() {
			epochs = append(epochs, stages.Number(e))
		}
	}
	if len(epochs) < 2 || !slices.IsSorted(epochs) || len(slices.Compact(slices.Clone(epochs))) < len(epochs) {
		p.add("rungs", "Not rising", "rungs are at least two numbers of epochs, rising: [1, 3, 9].")
	}
}
