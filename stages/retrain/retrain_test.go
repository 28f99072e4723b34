package retrain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/training"
)

const (
	convolutions = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
	side         = 6
	samples      = 20
)

func array(t *testing.T, shape []int, f func(i int) float64) []byte {
	t.Helper()
	h := npy.Header{Type: npy.Float32, Shape: shape}
	values := make([]float64, h.Count())
	for i := range values {
		values[i] = f(i)
	}
	var b bytes.Buffer
	if err := npy.Write(&b, h, values); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func description(t *testing.T, d training.Description) []byte {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

var splits = training.Splits{Train: training.Range{Count: 12}, Validation: training.Range{First: 12, Count: 4}, Test: training.Range{First: 16, Count: 4}}

// fields are samples whose target is a smooth function of the input.
func fields(t *testing.T) map[string][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	inputs := make([]float64, samples*side*side)
	for i := range inputs {
		inputs[i] = random.Float64()
	}
	shape := []int{samples, side, side}
	return map[string][]byte{
		"x.npy": array(t, shape, func(i int) float64 { return inputs[i] }),
		"y.npy": array(t, shape, func(i int) float64 { return 1 + inputs[i]*inputs[i] }),
		training.DescriptionFile: description(t, training.Description{
			Task: "darcy_flow", Inputs: training.Array{File: "x.npy", Shape: shape}, Targets: &training.Array{File: "y.npy"}, Splits: splits,
			Coordinates: true, Normalisation: training.Normalisation{Inputs: "pointwise_gaussian", Targets: "pointwise_gaussian", Epsilon: 1e-5},
			Metric: nn.MetricRelativeL2,
		}),
	}
}

// series are samples of two classes, a rising and a falling one.
func series(t *testing.T) map[string][]byte {
	const length = 12
	var labels bytes.Buffer
	classes := make([]int64, samples)
	for i := range classes {
		classes[i] = int64(i % 2)
	}
	if err := npy.Write(&labels, npy.Header{Type: npy.Int64, Shape: []int{samples}}, classes); err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"x.npy": array(t, []int{samples, length}, func(i int) float64 { return float64(i%length) * float64(i/length%2*2-1) / length }),
		"y.npy": labels.Bytes(),
		training.DescriptionFile: description(t, training.Description{
			Task: "toy", Inputs: training.Array{File: "x.npy", Axes: []string{"sample", "time"}}, Labels: &training.Array{File: "y.npy"}, Classes: 2,
			Splits: splits, Metric: nn.ZeroOneError,
		}),
	}
}

func values(v ...int64) cty.Value {
	var out []cty.Value
	for _, n := range v {
		out = append(out, cty.NumberIntVal(n))
	}
	return cty.ListVal(out)
}

// small is a block that trains in a moment.
func small(store stagetest.Store, t *testing.T, files map[string][]byte, more map[string]cty.Value) map[string]cty.Value {
	t.Helper()
	given := map[string]cty.Value{
		"data": stages.FileValue(store.Folder(t, "data", files)), "seeds": values(1, 2), "epochs": cty.NumberIntVal(3), "batch_size": cty.NumberIntVal(4),
	}
	maps.Copy(given, more)
	return given
}

func cellOf(more map[string]cty.Value) map[string]cty.Value {
	given := map[string]cty.Value{
		"architecture": cty.StringVal(convolutions), "channels": cty.NumberIntVal(4), "cells": cty.NumberIntVal(1), "stages": cty.NumberIntVal(1),
		"fit": cty.ListVal([]cty.Value{cty.StringVal("train")}),
	}
	maps.Copy(given, more)
	return given
}

func TestFieldsAreRetrained(t *testing.T) { fieldsAreRetrained(t, nil) }

func fieldsAreRetrained(t *testing.T, engine map[string]cty.Value) {
	t.Helper()
	store := stagetest.Store{}
	given := small(store, t, fields(t), cellOf(engine))
	r, err := stagetest.Run(t, cell, store, given)
	if err != nil {
		t.Fatal(err)
	}
	test, _ := r.Number(t, "test", "value")
	if n, _ := r.Number(t, "test", "n"); n != 2 || !(test > 0 && test < 1) {
		t.Errorf("error %v over %v seeds", test, n)
	}
	low, _ := r.Number(t, "test", "ci_low")
	high, _ := r.Number(t, "test", "ci_high")
	if !(low < test && test < high) {
		t.Errorf("interval %v to %v around %v", low, high, test)
	}
	checkTables(t, r)
	checkFolders(t, r)
	again, err := stagetest.Run(t, cell, store, given)
	if err != nil {
		t.Fatal(err)
	}
	for file := range r.Files {
		if !bytes.Equal(r.Files[file], again.Files[file]) {
			t.Errorf("%s differs between two runs", file)
		}
	}
}

func checkTables(t *testing.T, r *stagetest.Result) {
	t.Helper()
	history := r.Table(t, "history")
	if history.Rows != 6 {
		t.Errorf("%d rows of history for 2 seeds and 3 epochs", history.Rows)
	}
	valid, err := history.Float64s("validation_metric")
	if err != nil || slices.ContainsFunc(valid, math.IsNaN) {
		t.Errorf("validation: %v, %v", valid, err)
	}
	rate, err := history.Float64s("learning_rate")
	if err != nil || rate[0] != 0.1 || !(rate[1] < rate[0]) {
		t.Errorf("learning rates %v, %v: want the cosine of the paper's recipe", rate, err)
	}
	if results := r.Table(t, "results"); results.Rows != 2 {
		t.Errorf("%d rows of results", results.Rows)
	}
}

func checkFolders(t *testing.T, r *stagetest.Result) {
	t.Helper()
	for _, seed := range []int{1, 2} {
		w, metadata, err := nn.ReadTensors(bytes.NewReader(r.Files[fmt.Sprintf("weights/seed-%d.safetensors", seed)]))
		if err != nil {
			t.Fatal(err)
		}
		network, err := nn.DecodeNetwork([]byte(metadata["network"]))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Check(network); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"inputs", "targets", "outputs"} {
		a, err := npy.NewReader(name, bytes.NewReader(r.Files["examples/"+name+".npy"]), npy.UnknownSize)
		if err != nil || !slices.Equal(a.Shape, []int{2, 1, side, side}) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	for _, name := range []string{"curves", "fields"} {
		if !bytes.HasPrefix(r.Files[name], []byte("<svg")) {
			t.Errorf("%s is no figure", name)
		}
	}
}

func TestSeriesAreRetrained(t *testing.T) {
	store := stagetest.Store{}
	more := map[string]cty.Value{}
	more["middle"], more["epochs"], more["learning_rate"] = cty.NumberIntVal(4), cty.NumberIntVal(10), cty.NumberFloatVal(0.05)
	r, err := stagetest.Run(t, resNet1D, store, small(store, t, series(t), more))
	if err != nil {
		t.Fatal(err)
	}
	if wrong, _ := r.Number(t, "test", "value"); wrong != 0 {
		t.Errorf("%v of two classes that a line tells apart are wrong", wrong)
	}
	if !r.Values["fields"].IsNull() || !r.Values["validation"].GetAttr("value").IsNull() {
		t.Error("there are fields of classes, or errors on a split that was trained on")
	}
	schedule := r.Values["recipe"].GetAttr("milestones")
	if got := fmt.Sprint(schedule.LengthInt()); got != "3" {
		t.Errorf("%s milestones of the default schedule", got)
	}
}

func TestWideNetworksAreRetrained(t *testing.T) {
	store := stagetest.Store{}
	more := map[string]cty.Value{}
	more["depth"], more["width"], more["epochs"] = cty.NumberIntVal(10), cty.NumberIntVal(1), cty.NumberIntVal(1)
	r, err := stagetest.Run(t, wideResNet, store, small(store, t, fields(t), more))
	if err != nil {
		t.Fatal(err)
	}
	if rate := r.Values["recipe"].GetAttr("learning_rate"); !rate.RawEquals(cty.NumberFloatVal(0.001)) {
		t.Errorf("learning rate %#v: the paper's is .001 on Darcy Flow", rate)
	}
}

func TestBadDataAreRefused(t *testing.T) {
	change := func(f func(*training.Description)) func(map[string][]byte) {
		return func(files map[string][]byte) {
			var d training.Description
			if err := json.Unmarshal(files[training.DescriptionFile], &d); err != nil {
				t.Fatal(err)
			}
			f(&d)
			files[training.DescriptionFile] = description(t, d)
		}
	}
	cases := map[string]struct {
		change func(map[string][]byte)
		more   map[string]cty.Value
		want   string
	}{
		"no description":   {func(f map[string][]byte) { delete(f, training.DescriptionFile) }, nil, "data: the folder has no dataset.json"},
		"no file":          {func(f map[string][]byte) { delete(f, "y.npy") }, nil, "data: targets: the folder has no file y.npy"},
		"another shape":    {change(func(d *training.Description) { d.Inputs.Shape = []int{1, 2} }), nil, "data: inputs: x.npy has shape [20 6 6], and dataset.json says [1 2]"},
		"split too long":   {change(func(d *training.Description) { d.Splits.Test.Count = 5 }), nil, "split test ends with sample 21, and there are 20"},
		"shared samples":   {change(func(d *training.Description) { d.Splits.Test.First = 11 }), nil, "splits train and test share samples"},
		"unknown metric":   {change(func(d *training.Description) { d.Metric = "f1" }), nil, "loss is missing"},
		"unknown field":    {func(f map[string][]byte) { f[training.DescriptionFile] = []byte(`{"tsk":1}`) }, nil, `unknown field "tsk"`},
		"way out":          {change(func(d *training.Description) { d.Inputs.File = "../x.npy" }), nil, `"../x.npy" is no name of a file in this folder`},
		"other axes":       {change(func(d *training.Description) { d.Inputs.Axes = []string{"sample", "height"} }), nil, "data: inputs: an array of shape [20 6 6] has not the axes"},
		"sides":            {func(f map[string][]byte) { f["y.npy"] = array(t, []int{20, 3, 3}, func(int) float64 { return 1 }) }, nil, "networks keep the sides"},
		"too few samples":  {func(f map[string][]byte) { f["y.npy"] = array(t, []int{3, 6, 6}, func(int) float64 { return 1 }) }, nil, "there are 20 inputs, and targets or labels of 3 samples"},
		"not an array":     {func(f map[string][]byte) { f["x.npy"] = []byte("hello") }, nil, "data: inputs: x.npy: it is no .npy file"},
		"steps and cosine": {nil, map[string]cty.Value{"schedule": cty.StringVal("cosine"), "factor": cty.NumberFloatVal(0.1)}, "factor: Not for this schedule"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			store, files := stagetest.Store{}, fields(t)
			if c.change != nil {
				c.change(files)
			}
			_, err := stagetest.Run(t, cell, store, small(store, t, files, cellOf(c.more)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	store := stagetest.Store{}
	for name, c := range map[string]struct {
		attribute string
		value     cty.Value
		want      string
	}{
		"misspelt operation": {"architecture", cty.StringVal(strings.Replace(convolutions, "nor_conv_3x3", "nor_conv_3x1", 1)), `did you mean "nor_conv_1x1"`},
		"no cell":            {"architecture", cty.StringVal("resnet"), "position 1"},
		"engine":             {"engine", cty.StringVal("tensorflow"), "one of gorgonia, torch"},
		"seed twice":         {"seeds", values(3, 3), "3 stands there twice"},
		"negative seed":      {"seeds", values(-1), "not a whole number"},
		"no seeds":           {"seeds", cty.ListValEmpty(cty.Number), "0 seeds"},
		"test trained on":    {"fit", cty.ListVal([]cty.Value{cty.StringVal("test")}), "the test split is for the error"},
		"epochs":             {"epochs", cty.NumberIntVal(0), "from 1 to"},
		"rate":               {"learning_rate", cty.NumberIntVal(0), "over 0"},
		"half a batch":       {"batch_size", cty.NumberFloatVal(1.5), "whole number"},
		"mixed":              {"precision", cty.StringVal("mixed"), `needs engine = "torch"`},
		"gpu":                {"device", cty.StringVal("cuda"), `needs engine = "torch"`},
		"stages":             {"stages", cty.NumberIntVal(9), "from 1 to 8"},
	} {
		given := small(store, t, fields(t), cellOf(map[string]cty.Value{c.attribute: c.value}))
		found := false
		for _, p := range stagetest.Problems(t, cell, given) {
			found = found || p.Attribute == c.attribute && strings.Contains(p.Detail, c.want)
		}
		if !found {
			t.Errorf("%s: %+v, want %q about %s", name, stagetest.Problems(t, cell, given), c.want, c.attribute)
		}
	}
}
