package search

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/search/algorithm"
	"github.com/nbpipe/nbpipe/stages/search/objective"
	"github.com/nbpipe/nbpipe/stages/training"
)

// counting is an engine whose metric is the share of the network's parameters,
// and which says how often it was asked.
type counting struct {
	trainings *atomic.Int64
	diverges  func(job *nn.Job) bool
	fails     func(job *nn.Job) error
}

func (counting) Name() string                            { return "counting" }
func (counting) Version(context.Context) (string, error) { return "1", nil }
func (c counting) Train(_ context.Context, job *nn.Job, _ nn.Hooks) (*nn.Result, error) {
	c.trainings.Add(1)
	if c.fails != nil {
		if err := c.fails(job); err != nil {
			return nil, err
		}
	}
	if c.diverges != nil && c.diverges(job) {
		return nil, &nn.DivergedError{Loss: math.NaN()}
	}
	metric := 1/float64(job.Network.ParameterCount()) + 1/float64(job.Recipe.Epochs)
	return &nn.Result{Epochs: []nn.EpochMetrics{{ValidMetric: &metric}}}, nil
}
func (counting) Evaluate(context.Context, *nn.Evaluation) (*nn.Evaluated, error) { return nil, nil }
func (counting) Gradients(context.Context, *nn.GradientJob) (*nn.Gradients, error) {
	return nil, nil
}

type silent struct{}

func (silent) Report(int64, int64, string) {}

// trainedBy is an objective of training on a few pixels.
func trainedBy(t *testing.T, engine counting, resume string, epochs ...int) *trained {
	t.Helper()
	set := &nn.Dataset{Inputs: nn.Array{Shape: []int{1, 1, 4, 4}, Data: make([]float32, 16)}}
	o := &trained{
		train: &Train{Skeleton: training.Skeleton{Channels: 2, Cells: 1, Stages: 1}}, progress: silent{}, ready: map[objective.Trial]chan struct{}{},
		prepared: &training.Prepared{Train: set, Valid: set, Input: nn.Shape{Channels: 1, Height: 4, Width: 4}, Form: nn.Dense, Outputs: 1},
		trainer:  &training.Trainer{New: func() (nn.Engine, error) { return engine, nil }, Workers: 3},
		engines:  make(chan nn.Engine, 3),
	}
	o.data = &data{objective: o, trained: o, minimise: true}
	d := &training.Description{Task: "toy", Loss: nn.MSE, Metric: nn.MetricMSE}
	for _, e := range epochs {
		if err := o.fidelity(&training.RecipeOptions{}, d, e, false); err != nil {
			t.Fatal(err)
		}
	}
	o.data.report = o.data.searched[len(epochs)-1]
	for range 3 {
		o.engines <- engine
	}
	if resume != "" {
		if err := o.recall(filepath.Join(resume, "evaluations")); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func TestEachArchitectureIsTrainedOnce(t *testing.T) {
	engine := counting{trainings: new(atomic.Int64)}
	o := trainedBy(t, engine, "", 4)
	trials := []objective.Trial{{Architecture: 5}, {Architecture: 6}, {Architecture: 5}, {Architecture: 7}}
	var first [4]float64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			values := make([]float64, len(trials))
			if err := o.Evaluate(t.Context(), trials, values); err != nil {
				t.Error(err)
			}
			if i == 0 {
				copy(first[:], values)
			}
		})
	}
	wg.Wait()
	if n := engine.trainings.Load(); n != 3 {
		t.Errorf("%d trainings of 3 architectures", n)
	}
	if first[0] != first[2] || first[0] >= 0 {
		t.Errorf("values %v", first)
	}
}

// Any algorithm gives the same with any number of engines.
func TestSearchesByTraining(t *testing.T) {
	for name, a := range map[string]algorithm.Algorithm{
		"random": algorithm.Random{}, "evolution": algorithm.Evolution{Population: 5, Sample: 2}, "local": algorithm.LocalSearch{},
		"reinforce": algorithm.Reinforce{LearningRate: 0.01, Momentum: 0.9}, "hyperband": algorithm.Hyperband{Eta: 3},
		"lissnas": algorithm.LISSNAS{Sample: 8, Seeds: 2, Radius: 1, Rounds: 2}, "pruning": algorithm.Pruning{Sample: 8, Size: 250}, "autoshrink": algorithm.AutoShrink{Drawn: true},
	} {
		t.Run(name, func(t *testing.T) {
			var steps [2][]algorithm.Step
			for i := range steps {
				o := trainedBy(t, counting{trainings: new(atomic.Int64)}, "", 1, 3, 9)
				runs, err := algorithm.Plan{Algorithm: a, Objective: o, Budget: 30, Seed: 5, Runs: 2, Workers: 1 + i}.Execute(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				steps[i] = runs[1].Steps()
			}
			if len(steps[0]) == 0 || len(steps[0]) != len(steps[1]) {
				t.Fatalf("%d and %d steps", len(steps[0]), len(steps[1]))
			}
			for i := range steps[0] {
				if steps[0][i] != steps[1][i] {
					t.Fatalf("step %d: %v and %v", i, steps[0][i], steps[1][i])
				}
			}
		})
	}
}

func TestSearchGoesOnFromItsJournal(t *testing.T) {
	dir := t.TempDir()
	failing := counting{trainings: new(atomic.Int64), fails: func(job *nn.Job) error {
		if strings.Contains(job.Network.Name, nas.At(8).String()) {
			return errors.New("the machine is on fire")
		}
		return nil
	}}
	trials := []objective.Trial{{Architecture: 5}, {Architecture: 6}}
	values := make([]float64, 3)
	o := trainedBy(t, failing, dir, 4)
	if err := o.Evaluate(t.Context(), trials, values[:2]); err != nil {
		t.Fatal(err)
	}
	all := append(trials, objective.Trial{Architecture: 8})
	if err := o.Evaluate(t.Context(), all, make([]float64, 3)); err == nil || !strings.Contains(err.Error(), "architecture 8 (") || !strings.Contains(err.Error(), "on fire") {
		t.Fatalf("error %v", err)
	}
	// The end of a write that was cut off.
	path := filepath.Join(dir, "evaluations")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"architecture":8,"fid`)
	f.Close()
	engine := counting{trainings: new(atomic.Int64)}
	o = trainedBy(t, engine, dir, 4)
	again := make([]float64, 3)
	if err := o.Evaluate(t.Context(), all, again); err != nil {
		t.Fatal(err)
	}
	if n := engine.trainings.Load(); n != 1 || again[0] != values[0] || again[1] != values[1] {
		t.Errorf("%d trainings where one was left; values %v, %v before", n, again, values)
	}
	engine.trainings.Store(0)
	o = trainedBy(t, engine, dir, 4)
	if err := o.Evaluate(t.Context(), all, again); err != nil || engine.trainings.Load() != 0 {
		t.Errorf("%d trainings, %v, with all in the journal", engine.trainings.Load(), err)
	}
}

func TestDivergedTrainingsAreTheWorst(t *testing.T) {
	engine := counting{trainings: new(atomic.Int64), diverges: func(job *nn.Job) bool { return strings.Contains(job.Network.Name, nas.At(6).String()) }}
	o := trainedBy(t, engine, t.TempDir(), 4)
	values := make([]float64, 2)
	if err := o.Evaluate(t.Context(), []objective.Trial{{Architecture: 5}, {Architecture: 6}}, values); err != nil {
		t.Fatal(err)
	}
	if !math.IsInf(values[1], -1) || math.IsInf(values[0], 0) {
		t.Errorf("values %v", values)
	}
	out := stages.NewOutput()
	o.data.close(out)
	if len(out.Warnings) != 1 || !strings.Contains(out.Warnings[0], "1 of 2 trainings diverged") {
		t.Errorf("warnings %q", out.Warnings)
	}
}

func TestCheckOfTraining(t *testing.T) {
	store := stagetest.Store{}
	folder := stages.FileValue(store.Folder(t, "data", map[string][]byte{"dataset.json": []byte("{}")}))
	train := func(more map[string]cty.Value) cty.Value {
		attrs := map[string]cty.Value{"data": folder}
		for k, v := range more {
			attrs[k] = v
		}
		return cty.ObjectVal(attrs)
	}
	for name, c := range map[string]struct {
		kind  *stages.Kind
		block map[string]cty.Value
		want  string // "" for none
	}{
		"good":            {random(), map[string]cty.Value{"train": train(nil)}, ""},
		"nothing":         {random(), nil, "table: Give a table"},
		"both":            {random(), map[string]cty.Value{"train": train(nil), "table": madeTable(t, store, nil), "task": cty.StringVal("val12")}, "train: Architectures are looked up"},
		"no task":         {random(), map[string]cty.Value{"table": madeTable(t, store, nil)}, "task: task names"},
		"task":            {random(), map[string]cty.Value{"train": train(nil), "task": cty.StringVal("x")}, "task: task is about a table"},
		"recipe":          {random(), map[string]cty.Value{"train": train(map[string]cty.Value{"epochs": cty.NumberIntVal(0)})}, "train: epochs: epochs is 0"},
		"engine":          {random(), map[string]cty.Value{"train": train(nil), "engine": cty.StringVal("x")}, "engine: engine is"},
		"no rungs":        {hyperband(), map[string]cty.Value{"train": train(nil)}, "rungs: This search"},
		"rungs":           {hyperband(), map[string]cty.Value{"train": train(nil), "rungs": cty.TupleVal([]cty.Value{cty.NumberIntVal(1), cty.NumberIntVal(3)})}, ""},
		"falling":         {hyperband(), map[string]cty.Value{"train": train(nil), "rungs": cty.TupleVal([]cty.Value{cty.NumberIntVal(3), cty.NumberIntVal(1)})}, "rungs: rungs are"},
		"pockets":         {lissnas(), map[string]cty.Value{"train": train(nil)}, ""},
		"pruned":          {pruning(), map[string]cty.Value{"train": train(nil)}, ""},
		"pruned, report":  {pruning(), map[string]cty.Value{"train": train(nil), "report": cty.StringVal("x")}, "report: report is about a table"},
		"edges":           {autoshrink(), map[string]cty.Value{"train": train(nil), "runs": cty.NumberIntVal(5000)}, ""},
		"each edge":       {autoshrink(), map[string]cty.Value{"train": train(nil), "runs": cty.NumberIntVal(5000), "start": cty.StringVal("each")}, "runs: There are 4096"},
		"macs":            {autoshrink(), map[string]cty.Value{"train": train(nil), "macs": cty.StringVal("flops")}, "macs: macs is about a table"},
		"no macs":         {autoshrink(), map[string]cty.Value{"table": madeTable(t, store, nil), "task": cty.StringVal("val12")}, "macs: macs names"},
		"start":           {autoshrink(), map[string]cty.Value{"train": train(nil), "start": cty.StringVal(algorithm.Start(9).String())}, ""},
		"starts":          {autoshrink(), map[string]cty.Value{"train": train(nil), "start": cty.StringVal(algorithm.Start(9).String()), "runs": cty.NumberIntVal(2)}, "runs: All 2 runs"},
		"nowhere":         {autoshrink(), map[string]cty.Value{"train": train(nil), "start": cty.StringVal("drwan")}, "start: start is \"drwan\"; it is each, drawn, or a cell"},
		"start with none": {autoshrink(), map[string]cty.Value{"train": train(nil), "start": cty.StringVal(nas.Cell{}.String())}, "start: start is"},
		"half a training": {random(), map[string]cty.Value{"train": train(map[string]cty.Value{"batch_size": cty.NumberFloatVal(0.5)})}, "train: batch_size: "},
	} {
		var got []string
		for _, p := range stagetest.Problems(t, c.kind, c.block) {
			got = append(got, p.Attribute+": "+p.Detail)
		}
		if all := strings.Join(got, "\n"); c.want == "" && all != "" || !strings.Contains(all, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
