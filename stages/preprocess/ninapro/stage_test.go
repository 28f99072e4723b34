package ninapro

import (
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/training"
)

// given are the attributes, some files replaced: "inputs test" by the name of another.
func given(store stagetest.Store, files map[string][]byte, other map[string]string) map[string]cty.Value {
	out := map[string]cty.Value{}
	for attribute, prefix := range map[string]string{"inputs": "ninapro_", "labels": "label_"} {
		values := map[string]cty.Value{}
		for split, short := range map[string]string{"train": "train", "validation": "val", "test": "test"} {
			name := prefix + short + ".npy"
			if o := other[attribute+" "+split]; o != "" {
				name = o
			}
			values[split] = stages.FileValue(store.File(name, files[name]))
		}
		out[attribute] = cty.MapVal(values)
	}
	return out
}

func TestAgainstNumPy(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy")
	store := stagetest.Store{}
	attributes := given(store, files, nil)
	r, err := stagetest.Run(t, Kind, store, attributes)
	if err != nil {
		t.Fatal(err)
	}
	stagetest.Near(t, "inputs", r.Files["data/inputs-000.npy"], files["inputs.npy"], 0)
	stagetest.Near(t, "labels", r.Files["data/labels-000.npy"], files["labels.npy"], 0)
	d, err := training.ParseDescription(r.Files["data/dataset.json"])
	if err != nil {
		t.Fatal(err)
	}
	want := training.Splits{Train: training.Range{First: 0, Count: 9}, Validation: training.Range{First: 9, Count: 4}, Test: training.Range{First: 13, Count: 5}}
	if d.Splits != want || d.Task != "ninapro" || d.Classes != 18 || d.Metric != "error" {
		t.Errorf("%+v", d)
	}
	attributes["limit"] = cty.NumberIntVal(2)
	r, err = stagetest.Run(t, Kind, store, attributes)
	if err != nil {
		t.Fatal(err)
	}
	_, all := stagetest.Array(t, files["labels.npy"])
	if _, got := stagetest.Array(t, r.Files["data/labels-000.npy"]); !slices.Equal(got, []float64{all[0], all[1], all[9], all[10], all[13], all[14]}) {
		t.Errorf("limit 2 gives labels %v of %v", got, all)
	}
}

// Networks see what the repository's loader gives them.
func TestSeen(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy")
	store := stagetest.Store{}
	r, err := stagetest.Run(t, Kind, store, given(store, files, nil))
	if err != nil {
		t.Fatal(err)
	}
	folder := map[string][]byte{}
	for name, data := range r.Files {
		folder[strings.TrimPrefix(name, "data/")] = data
	}
	in := &stages.Input{Scratch: t.TempDir(), Store: store}
	data, err := training.Read(t.Context(), in, store.Folder(t, "data", folder), false)
	if err != nil {
		t.Fatal(err)
	}
	examples, err := data.Examples(5)
	if err != nil {
		t.Fatal(err)
	}
	got := examples.Inputs
	shape, want := stagetest.Array(t, files["seen.npy"])
	if !slices.Equal(got.Shape[1:], shape[1:]) {
		t.Fatalf("samples of shape %v, want %v", got.Shape, shape)
	}
	size := len(want) / shape[0]
	for i, v := range got.Data {
		if float64(v) != want[13*size+i] {
			t.Fatalf("element %d is %v, want %v", i, v, want[13*size+i])
		}
	}
}

func TestRefused(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy")
	for which, want := range map[string]string{
		"inputs test bad-shape.npy":    "inputs: test: bad-shape.npy has shape [5 16 52], and samples of shape [52 16] are needed",
		"inputs test bad-nan.npy":      "inputs: test: sample 0: the value NaN",
		"labels test bad-label.npy":    "labels: test: sample",
		"labels test bad-count.npy":    "labels: test: there are 9, and 5 recordings",
		"labels test ninapro_test.npy": "has shape [5 52 16], and samples of shape [] are needed",
	} {
		words := strings.Fields(which)
		store := stagetest.Store{}
		_, err := stagetest.Run(t, Kind, store, given(store, files, map[string]string{words[0] + " " + words[1]: words[2]}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", which, err, want)
		}
	}
	store := stagetest.Store{}
	attributes := given(store, files, nil)
	attributes["labels"] = cty.MapVal(map[string]cty.Value{"train": stages.FileValue(store.File("x", nil))})
	if p := stagetest.Problems(t, Kind, attributes); len(p) != 1 || p[0].Attribute != "labels" {
		t.Errorf("%+v", p)
	}
}
