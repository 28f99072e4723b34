package search

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/pythontest"
	"github.com/nbpipe/nbpipe/stages/racetest"
	"github.com/nbpipe/nbpipe/stages/training"
)

// patterned are images of four classes: noise, with nothing, rows, columns or a
// chequered board.
func patterned(t *testing.T, train, validation int) map[string][]byte {
	t.Helper()
	const side = 8
	n := train + validation
	r := nn.Stream(1, "test images", 0)
	pixels, labels := make([]float32, n*side*side), make([]int64, n)
	for s := range n {
		class := r.IntN(4)
		labels[s] = int64(class)
		for i := range side * side {
			v := r.NormFloat64()
			if rows, columns := class>>1, class&1; class > 0 && (rows*(i/side)+columns*(i%side))%2 == 0 {
				v += 3
			}
			pixels[s*side*side+i] = float32(v)
		}
	}
	var x, y bytes.Buffer
	if err := errors.Join(npy.Write(&x, npy.Header{Type: npy.Float32, Shape: []int{n, side, side}}, pixels),
		npy.Write(&y, npy.Header{Type: npy.Int64, Shape: []int{n}}, labels)); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(training.Description{
		Task: "toy", Inputs: training.Array{File: "x.npy"}, Labels: &training.Array{File: "y.npy"}, Classes: 4, Metric: nn.ZeroOneError,
		Splits: training.Splits{Train: training.Range{Count: train}, Validation: training.Range{First: train, Count: validation}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"x.npy": x.Bytes(), "y.npy": y.Bytes(), training.DescriptionFile: text}
}

// sharingBlock is a small search: C = 8, N = 1.
func sharingBlock(t *testing.T, store stagetest.Store, files map[string][]byte, more map[string]cty.Value) map[string]cty.Value {
	t.Helper()
	block := map[string]cty.Value{
		"data": stages.FileValue(store.Folder(t, "data", files)), "device": cty.StringVal(pythontest.Device()),
		"channels": cty.NumberIntVal(8), "cells": cty.NumberIntVal(1), "epochs": cty.NumberIntVal(3),
	}
	maps.Copy(block, more)
	return block
}

// 512 samples, three epochs: the loss falls, the logits move, a cell comes out, and
// all of it again with the same bits. Nothing is expected of the cell.
func TestSearchesWithSharedWeights(t *testing.T) {
	racetest.Skip(t, "what computes is a Python process; others of these tests start one")
	python := cty.StringVal(pythontest.Find(t, "torch", "numpy"))
	for _, kind := range []*stages.Kind{darts(), gdas(), rsps()} {
		t.Run(kind.Type, func(t *testing.T) {
			store := stagetest.Store{}
			more := map[string]cty.Value{"python": python}
			if kind == rsps() {
				more["candidates"] = cty.NumberIntVal(10)
			}
			block := sharingBlock(t, store, patterned(t, 512, 128), more)
			r, err := stagetest.Run(t, kind, store, block)
			if err != nil {
				t.Fatal(err)
			}
			checkShared(t, r)
			if kind == rsps() {
				checkDrawn(t, r)
			} else {
				checkDerived(t, r)
			}
			again, err := stagetest.Run(t, kind, store, block)
			if err != nil {
				t.Fatal(err)
			}
			same(t, r, again)
		})
	}
}

func same(t *testing.T, a, b *stagetest.Result) {
	t.Helper()
	if len(a.Files) != len(b.Files) {
		t.Errorf("%d and %d files", len(a.Files), len(b.Files))
	}
	for name := range a.Files {
		if !bytes.Equal(a.Files[name], b.Files[name]) {
			t.Errorf("%s differs", name)
		}
	}
	for name := range a.Values {
		if !a.Values[name].RawEquals(b.Values[name]) {
			t.Errorf("%s: %#v and %#v", name, a.Values[name], b.Values[name])
		}
	}
}

func column(t *testing.T, r *stagetest.Result, output, name string) []float64 {
	t.Helper()
	v, err := r.Table(t, output).Float64s(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// checkShared looks at what all of these searches give.
func checkShared(t *testing.T, r *stagetest.Result) {
	t.Helper()
	loss := column(t, r, "epochs", "train_loss")
	if len(loss) != 3 || min(loss[1], loss[2]) >= 0.97*loss[0] {
		t.Errorf("the supernet's losses are %v", loss)
	}
	best := r.Values["best"]
	cell, err := nas.Parse(best.GetAttr("architecture").AsString())
	if err != nil {
		t.Fatal(err)
	}
	if index, _ := r.Number(t, "best", "index"); int(index) != nas.Index(cell) {
		t.Errorf("cell %s has not the number %v", cell, index)
	}
	metric, _ := r.Number(t, "best", "search")
	final, _ := r.Number(t, "final", "value")
	if !(metric >= 0 && metric <= 1) || final != metric {
		t.Errorf("metric %v of the cell, %v in the end", metric, final)
	}
	if !r.Values["optimum"].IsNull() || !r.Values["regret"].GetAttr("value").IsNull() {
		t.Error("there is an optimum, which nobody knows")
	}
	if curve := column(t, r, "incumbent", "mean"); curve[len(curve)-1] != metric {
		t.Errorf("the curve %v does not end at %v", curve, metric)
	}
	if cost := column(t, r, "incumbent", "cost"); cost[len(cost)-1] != 3 {
		t.Errorf("costs %v", cost)
	}
	weights, metadata, err := nn.ReadTensors(bytes.NewReader(r.Files["weights/run-0.safetensors"]))
	if err != nil || len(weights) == 0 || metadata["architecture"] != cell.String() {
		t.Errorf("%d weights of %v: %v", len(weights), metadata, err)
	}
	if !bytes.HasPrefix(r.Files["curves"], []byte("<svg")) {
		t.Error("the curves are no figure")
	}
}

// checkDerived looks at what searches with logits give.
func checkDerived(t *testing.T, r *stagetest.Result) {
	t.Helper()
	logits := column(t, r, "logits", "logit")
	const each = nas.NumEdges * nas.NumOps
	if len(logits) != 3*each || slices.Equal(logits[:each], logits[2*each:]) {
		t.Errorf("%d logits, which do not move", len(logits))
	}
	sums := map[int]float64{}
	for i, p := range column(t, r, "logits", "probability") {
		sums[i/nas.NumOps] += p
	}
	for i, s := range sums {
		if math.Abs(s-1) > 1e-12 {
			t.Errorf("the probabilities of edge %d add up to %v", i, s)
		}
	}
	for _, h := range column(t, r, "epochs", "entropy") {
		if !(h > 0 && h <= math.Log(nas.NumOps)+1e-12) {
			t.Errorf("entropy %v", h)
		}
	}
	history := r.Table(t, "history")
	if architectures, err := history.Int64s("architecture"); err != nil || len(architectures) != 3 ||
		nas.At(int(architectures[2])).String() != r.Values["best"].GetAttr("architecture").AsString() {
		t.Errorf("history %v, %v: want the cell of each epoch", architectures, err)
	}
	if !bytes.HasPrefix(r.Files["operations"], []byte("<svg")) {
		t.Error("the operations are no figure")
	}
}

// checkDrawn looks at what the random search gives.
func checkDrawn(t *testing.T, r *stagetest.Result) {
	t.Helper()
	metrics := column(t, r, "history", "search")
	if best, _ := r.Number(t, "best", "search"); len(metrics) != 10 || slices.Min(metrics) != best {
		t.Errorf("the best of the candidates %v is %v", metrics, best)
	}
	if rows := r.Table(t, "incumbent").Rows; rows != 1 {
		t.Errorf("%d points of a curve: there are candidates in the end alone", rows)
	}
}

// stopping cancels a run after so many steps.
type stopping struct {
	after int64
	stop  context.CancelFunc
}

func (s stopping) Report(done, _ int64, unit string) {
	if unit == "steps" && done >= s.after {
		s.stop()
	}
}

// A search that was cut off goes on from the last epoch with the same bits, and a
// run is the same alone.
func TestSharedWeightsGoOn(t *testing.T) {
	store := stagetest.Store{}
	block := sharingBlock(t, store, patterned(t, 48, 16), map[string]cty.Value{
		"python": cty.StringVal(pythontest.Find(t, "torch", "numpy")), "batch_size": cty.NumberIntVal(16), "stages": cty.NumberIntVal(1),
	})
	two := maps.Clone(block)
	two["runs"] = cty.NumberIntVal(2)
	whole, err := stagetest.Run(t, gdas(), store, two)
	if err != nil {
		t.Fatal(err)
	}
	block["first_run"] = cty.NumberIntVal(1)
	attrs, err := stagetest.Attributes(gdas(), block)
	if err != nil {
		t.Fatal(err)
	}
	resume := t.TempDir()
	attempt := func(ctx context.Context, progress stages.Progress) (*stages.Output, error) {
		stage, err := gdas().Fill(attrs)
		if err != nil {
			t.Fatal(err)
		}
		out := stages.NewOutput()
		return out, stage.Run(ctx, &stages.Input{Scratch: t.TempDir(), CPUs: 1, Log: io.Discard, Progress: progress, Store: store, Resume: resume}, out)
	}
	ctx, stop := context.WithCancel(t.Context())
	if _, err := attempt(ctx, stopping{4, stop}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	out, err := attempt(t.Context(), silent{})
	if err != nil {
		t.Fatal(err)
	}
	if out.Metrics["epochs_done_before"] < 1 {
		t.Error("the search began from the beginning")
	}
	weights, err := os.ReadFile(out.Files["weights"].Path + "/run-1.safetensors")
	if err != nil || !bytes.Equal(weights, whole.Files["weights/run-1.safetensors"]) {
		t.Errorf("weights of run 1 differ from those of run 1 of 2; %v", err)
	}
	if len(whole.Files["weights/run-0.safetensors"]) == 0 || bytes.Equal(weights, whole.Files["weights/run-0.safetensors"]) {
		t.Error("two runs give the same")
	}
}

func TestCheckOfWeightSharing(t *testing.T) {
	store := stagetest.Store{}
	number := cty.NumberFloatVal
	for name, c := range map[string]struct {
		kind  *stages.Kind
		block map[string]cty.Value
		want  string // "" for none
	}{
		"good":         {darts(), nil, ""},
		"torch":        {darts(), map[string]cty.Value{"engine": cty.StringVal("torch")}, ""},
		"table":        {darts(), map[string]cty.Value{"table": madeTable(t, store, nil)}, `table: search "darts" trains one network whose weights`},
		"no data":      {gdas(), map[string]cty.Value{"data": cty.NullVal(cty.DynamicPseudoType)}, `data: search "gdas" trains a network`},
		"gorgonia":     {rsps(), map[string]cty.Value{"engine": cty.StringVal("gorgonia")}, `engine: engine is "gorgonia"; weights are shared in PyTorch alone`},
		"device":       {rsps(), map[string]cty.Value{"device": cty.StringVal("tpu")}, "device: device is"},
		"epochs":       {darts(), map[string]cty.Value{"epochs": number(0)}, "epochs: epochs is 0"},
		"final rate":   {darts(), map[string]cty.Value{"final_learning_rate": number(0.1)}, "final_learning_rate: final_learning_rate is 0.1, over"},
		"rate":         {darts(), map[string]cty.Value{"learning_rate": number(0), "final_learning_rate": number(0)}, "learning_rate: learning_rate is 0"},
		"architecture": {gdas(), map[string]cty.Value{"architecture_learning_rate": number(0)}, "architecture_learning_rate: "},
		"temperature":  {gdas(), map[string]cty.Value{"last_temperature": number(0)}, "last_temperature: "},
		"clip":         {gdas(), map[string]cty.Value{"clip": number(0)}, "clip: "},
		"candidates":   {rsps(), map[string]cty.Value{"candidates": number(0.5)}, "candidates: "},
		"samples":      {rsps(), map[string]cty.Value{"validation_samples": number(0)}, "validation_samples: "},
		"runs":         {rsps(), map[string]cty.Value{"runs": number(1001)}, "runs: "},
		"channels":     {rsps(), map[string]cty.Value{"channels": number(0)}, "channels: "},
	} {
		var got []string
		for _, p := range stagetest.Problems(t, c.kind, sharingBlock(t, store, map[string][]byte{"dataset.json": []byte("{}")}, c.block)) {
			got = append(got, p.Attribute+": "+p.Detail)
		}
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], c.want)) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What depends on PyTorch is in the key.
func TestKeyOfWeightSharing(t *testing.T) {
	for _, kind := range []*stages.Kind{darts(), gdas(), rsps()} {
		zero := kind.Zero()
		if v := zero.(stages.Versioned).Versions(); v["script"] == "" || v["engine"] != "" {
			t.Errorf("%s: versions %v", kind.Type, v)
		}
		if p := zero.(stages.Tooled).Probes(); len(p["python"].Argv) == 0 {
			t.Errorf("%s: probes %v", kind.Type, p)
		}
		if a, ok := kind.Attribute("engine"); !ok || !a.Default.RawEquals(cty.StringVal(training.Torch)) {
			t.Errorf("%s: engine %+v", kind.Type, a)
		}
	}
}
