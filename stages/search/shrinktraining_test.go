package search

import (
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/search/algorithm"
	"github.com/nbpipe/nbpipe/stages/search/objective"
)

// trainingBlock trains networks of two channels and three stages for four epochs.
func trainingBlock(t *testing.T, store stagetest.Store, more map[string]cty.Value) map[string]cty.Value {
	t.Helper()
	n := cty.NumberIntVal
	block := map[string]cty.Value{
		"train": cty.ObjectVal(map[string]cty.Value{
			"data": stages.FileValue(store.Folder(t, "data", patterned(t, 32, 16))), "channels": n(2), "cells": n(1), "epochs": n(4), "batch_size": n(16),
		}),
		"resamples": n(50),
	}
	maps.Copy(block, more)
	return block
}

// Spaces are shrunk by what was trained; what needs values of all architectures is null.
func TestSpacesAreShrunkByTraining(t *testing.T) {
	n := cty.NumberIntVal
	for _, c := range []struct {
		kind *stages.Kind
		more map[string]cty.Value
	}{
		{lissnas(), map[string]cty.Value{"sample": n(6), "seeds": n(1), "budget": n(14), "runs": n(2)}},
		{pruning(), map[string]cty.Value{"sample": n(6), "size": n(1000), "budget": n(14), "runs": n(2)}},
	} {
		t.Run(c.kind.Type, func(t *testing.T) {
			store := stagetest.Store{}
			block := trainingBlock(t, store, c.more)
			r, err := stagetest.Run(t, c.kind, store, block)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"mean_gain", "recall", "tau", "regret"} {
				if v, ok := r.Number(t, name, "value"); ok {
					t.Errorf("%s is %v", name, v)
				}
			}
			if !r.Values["optimum"].IsNull() {
				t.Errorf("optimum is %#v", r.Values["optimum"])
			}
			ratio, _ := r.Number(t, "size_ratio", "value")
			if rows := r.Table(t, "spaces").Rows; ratio <= 0 || ratio >= 1 || math.Abs(float64(rows)/2/nas.Size-ratio) > 1e-12 {
				t.Errorf("%d rows, size_ratio is %v", rows, ratio)
			}
			for _, name := range []string{"diversity", "pockets"} {
				if v, ok := r.Number(t, name, "value"); !ok || v <= 0 {
					t.Errorf("%s is %v", name, v)
				}
			}
			history := r.Table(t, "history")
			if history.Rows != 28 {
				t.Errorf("%d evaluations of two runs of 14", history.Rows)
			}
			if !slices.Equal(must(history.Float64s("search")), must(history.Float64s("report"))) {
				t.Error("the reported value is not the searched one")
			}
			checkLowest(t, history, r.Table(t, "results"))
			again, err := stagetest.Run(t, c.kind, store, block)
			if err != nil {
				t.Fatal(err)
			}
			same(t, r, again)
		})
	}
}

// checkLowest sees that each run returns the lowest error of its steps.
func checkLowest(t *testing.T, history, results *table.Table) {
	t.Helper()
	lowest := map[int64]float64{}
	for i, run := range must(history.Int64s("run")) {
		v := must(history.Float64s("search"))[i]
		if old, ok := lowest[run]; !ok || v < old {
			lowest[run] = v
		}
	}
	for i, run := range must(results.Int64s("run")) {
		if v := must(results.Float64s("search"))[i]; v != lowest[run] {
			t.Errorf("run %d returns %v, its lowest error is %v", run, v, lowest[run])
		}
	}
}

// The score is of the metric that was trained and of multiply-accumulates by the
// benchmark's formula; the path is the one that the scores of its history lead along.
func TestAutoShrinkByTraining(t *testing.T) {
	store := stagetest.Store{}
	start := algorithm.Start(2817)
	block := trainingBlock(t, store, map[string]cty.Value{"start": cty.StringVal(start.String()), "weight": cty.NumberFloatVal(0.2)})
	r, err := stagetest.Run(t, autoshrink(), store, block)
	if err != nil {
		t.Fatal(err)
	}
	history := r.Table(t, "history")
	search, report, cells := must(history.Float64s("search")), must(history.Float64s("report")), must(history.Int64s(table.Architecture))
	if history.Rows > algorithm.MostShrinks || cells[0] != int64(nas.Index(start)) || cells[len(cells)-1] != int64(nas.Index(nas.Cell{})) {
		t.Errorf("%d steps from %d to %d", history.Rows, cells[0], cells[len(cells)-1])
	}
	skeleton := nas.Skeleton{Channels: 2, Cells: 1, InputChannels: 1, Classes: 4, Height: 8, Width: 8}
	for i, a := range cells {
		want := 1 - report[i] - 0.2*(math.Log10(float64(nas.FLOPs(nas.At(int(a)), skeleton)))-6)
		if report[i] < 0 || report[i] > 1 || math.Abs(search[i]-want) > 1e-12 {
			t.Errorf("step %d: error %v, score %v, want %v", i+1, report[i], search[i], want)
		}
	}
	if best, _ := r.Number(t, "best", "search"); best != slices.Max(search) {
		t.Errorf("best is %v of %v", best, search)
	}
	for _, name := range []string{"draws", "gain", "share_better", "optimum"} {
		if !r.Values[name].IsNull() {
			t.Errorf("%s is %#v", name, r.Values[name])
		}
	}
	again, err := stagetest.Run(t, autoshrink(), store, block)
	if err != nil {
		t.Fatal(err)
	}
	same(t, r, again)
}

// Drawn starts differ by run, and epochs are paid for.
func TestAutoShrinkByTrainingFromDrawnCells(t *testing.T) {
	store := stagetest.Store{}
	n := cty.NumberIntVal
	r, err := stagetest.Run(t, autoshrink(), store, trainingBlock(t, store, map[string]cty.Value{"runs": n(2), "budget": n(12), "budget_in": cty.StringVal("epochs")}))
	if err != nil {
		t.Fatal(err)
	}
	cells := must(r.Table(t, "history").Int64s(table.Architecture))
	if len(cells) != 6 || cells[0] == cells[3] {
		t.Errorf("cells %v of two runs of three trainings", cells)
	}
	for _, a := range []int64{cells[0], cells[3]} {
		if c := nas.At(int(a)); slices.Contains(c[:], nas.None) {
			t.Errorf("a run starts at %v", c)
		}
	}
}

// A training that diverged has the score minus infinity, and edge shrinking goes on.
func TestScoresOfDivergedTrainings(t *testing.T) {
	start := algorithm.Start(5)
	engine := counting{trainings: new(atomic.Int64), diverges: func(job *nn.Job) bool { return strings.Contains(job.Network.Name, start.String()) }}
	s := &AutoShrink{Single: Single{Common: Common{Budget: 170, BudgetIn: "evaluations", Runs: 3}}, Weight: 0.1}
	d := s.scoreTraining(trainedBy(t, engine, "", 4).data)
	if d.trained.most != 3*algorithm.MostShrinks {
		t.Errorf("%d trainings at most", d.trained.most)
	}
	values := make([]float64, 2)
	if err := d.objective.Evaluate(t.Context(), []objective.Trial{{Architecture: nas.Index(start)}, {Architecture: 7}}, values); err != nil {
		t.Fatal(err)
	}
	if !math.IsInf(values[0], -1) || math.IsInf(values[1], 0) || d.searched[0][7] != values[1] {
		t.Errorf("values %v", values)
	}
	runs, err := algorithm.Plan{Algorithm: algorithm.AutoShrink{From: start}, Objective: d.objective, Budget: 170, Seed: 5, Runs: 1}.Execute(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if end := d.finish(runs[0].Steps()); math.IsInf(end.search, 0) || end.architecture == nas.Index(start) {
		t.Errorf("the run ends at %+v", end)
	}
}
