package arrays

import (
	"bytes"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/training"
)

func file[T npy.Number](t *testing.T, store stagetest.Store, typ npy.Type, shape []int, first T) cty.Value {
	t.Helper()
	h := npy.Header{Type: typ, Shape: shape}
	values := make([]T, h.Count())
	for i := range values {
		values[i] = first + T(i%3)
	}
	var b bytes.Buffer
	if err := npy.Write(&b, h, values); err != nil {
		t.Fatal(err)
	}
	return stages.FileValue(store.File("x.npy", b.Bytes()))
}

// block is what NinaPro's files look like, smaller.
func block(t *testing.T, store stagetest.Store) map[string]cty.Value {
	return map[string]cty.Value{
		"inputs": cty.MapVal(map[string]cty.Value{
			"train": file(t, store, npy.Float64, []int{4, 5, 2}, 0.5), "test": file(t, store, npy.Float64, []int{3, 5, 2}, 7.5),
		}),
		"labels": cty.MapVal(map[string]cty.Value{
			"train": file(t, store, npy.Int32, []int{4}, int64(0)), "test": file(t, store, npy.Int32, []int{3}, int64(1)),
		}),
		"classes": cty.NumberIntVal(4), "metric": cty.StringVal("error"), "task": cty.StringVal("ninapro"),
		"axes": cty.ListVal([]cty.Value{cty.StringVal("sample"), cty.StringVal("width"), cty.StringVal("height")}),
	}
}

func TestFilesBecomeAFolder(t *testing.T) {
	store := stagetest.Store{}
	r, err := stagetest.Run(t, Kind, store, block(t, store))
	if err != nil {
		t.Fatal(err)
	}
	d, err := training.ParseDescription(r.Files["data/dataset.json"])
	if err != nil {
		t.Fatal(err)
	}
	if s := d.Splits; s.Train != (training.Range{First: 0, Count: 4}) || s.Validation.Count != 0 || s.Test != (training.Range{First: 4, Count: 3}) {
		t.Errorf("splits %+v", s)
	}
	a, err := npy.NewReader("inputs", bytes.NewReader(r.Files["data/inputs.npy"]), npy.UnknownSize)
	if err != nil {
		t.Fatal(err)
	}
	values, err := npy.ReadAll[float32](a, 1<<20)
	if err != nil || len(values) != 70 || values[0] != 0.5 || values[40] != 7.5 {
		t.Errorf("%d values, %v", len(values), err)
	}
}

func TestWhatDoesNotFit(t *testing.T) {
	store := stagetest.Store{}
	for name, c := range map[string]struct {
		attribute string
		value     cty.Value
		want      string
	}{
		"fewer labels":  {"labels", cty.MapVal(map[string]cty.Value{"train": file(t, store, npy.Int32, []int{4}, int64(0)), "test": file(t, store, npy.Int32, []int{2}, int64(0))}), "labels: split test has 2 of them, and 3 inputs"},
		"other shape":   {"inputs", cty.MapVal(map[string]cty.Value{"train": file(t, store, npy.Float32, []int{4, 5, 2}, 0.5), "test": file(t, store, npy.Float32, []int{3, 2}, 0.5)}), "inputs: test has shape [3 2], which does not follow [4 5 2]"},
		"no array":      {"inputs", cty.MapVal(map[string]cty.Value{"train": stages.FileValue(store.File("a.txt", []byte("abc")))}), "inputs: train: a.txt: it is no .npy file"},
		"unknown split": {"inputs", cty.MapVal(map[string]cty.Value{"training": file(t, store, npy.Float32, []int{4, 5, 2}, 0.5)}), `"training" is no split`},
		"no labels":     {"labels", cty.NilVal, "either targets or labels"},
		"half labels":   {"labels", cty.MapVal(map[string]cty.Value{"train": file(t, store, npy.Float32, []int{4}, 0.5)}), "labels: train"},
		"metric":        {"metric", cty.StringVal("f1"), "one of error"},
	} {
		given := block(t, store)
		if given[c.attribute] = c.value; c.value == cty.NilVal {
			delete(given, c.attribute)
		}
		if _, err := stagetest.Run(t, Kind, store, given); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
