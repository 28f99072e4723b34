package psicov

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/training"
)

func run(t *testing.T, store stagetest.Store, archive []byte, more map[string]cty.Value) (*stagetest.Result, error) {
	t.Helper()
	given := map[string]cty.Value{"archive": stages.FileValue(store.File("protein.zip", archive)), "validation": cty.NumberIntVal(2)}
	for name, v := range more {
		given[name] = v
	}
	return stagetest.Run(t, Kind, store, given)
}

// Arrays are NumPy's.
func TestAgainstNumPy(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy")
	store := stagetest.Store{}
	r, err := run(t, store, files["protein.zip"], nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tolerance := range map[string]float64{"lengths": 0, "sequence": 1e-7, "maps": 0, "targets": 1e-6} {
		stagetest.Near(t, name, r.Files["data/"+name+"-000.npy"], files[name+".npy"], tolerance)
	}
	d, err := training.ParseDescription(r.Files["data/dataset.json"])
	if err != nil {
		t.Fatal(err)
	}
	want := training.Splits{Train: training.Range{First: 0, Count: 3}, Validation: training.Range{First: 3, Count: 2}, Test: training.Range{First: 5, Count: 2}}
	if p := d.Pairs; d.Splits != want || d.Task != "psicov" || d.Metric != "mae8" || d.Loss != "mse" || p.Padding != 5 || p.Window != 128 || p.Outside != 16 {
		t.Errorf("%+v", d)
	}
	r, err = run(t, store, files["protein.zip"], map[string]cty.Value{"limit": cty.NumberIntVal(1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, got := stagetest.Array(t, r.Files["data/lengths-000.npy"]); !slices.Equal(got, []float64{6, 9, 27}) {
		t.Errorf("limit 1 gives proteins of %v residues", got)
	}
}

// A network sees what the loaders give it.
func TestSeen(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy")
	store := stagetest.Store{}
	r, err := run(t, store, files["protein.zip"], nil)
	if err != nil {
		t.Fatal(err)
	}
	folder := map[string][]byte{}
	for name, data := range r.Files {
		folder[strings.TrimPrefix(name, "data/")] = data
	}
	data, err := training.Read(t.Context(), &stages.Input{Scratch: t.TempDir(), Store: store}, store.Folder(t, "data", folder), false)
	if err != nil {
		t.Fatal(err)
	}
	first, err := data.Examples(1)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range map[string][]float32{"seen-x.npy": first.Inputs.Data, "seen-y.npy": first.Targets.Data} {
		shape, _ := stagetest.Array(t, files[name])
		var b bytes.Buffer
		if err := npy.Write(&b, npy.Header{Type: npy.Float32, Shape: shape}, values); err != nil {
			t.Fatal(err)
		}
		stagetest.Near(t, name, b.Bytes(), files[name], 1e-6)
	}
}

func TestRefused(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy")
	for name, want := range map[string]string{
		"bad-nan.zip":      "protein 1a6mA of psicov: distances: residues 3 and 4 are NaN apart",
		"bad-length.zip":   "distances: the third object is an array, and an array of shape [130 130] is needed",
		"bad-key.zip":      `features: there is no "sa"`,
		"bad-shape.zip":    "features: pssm has shape [22 130], and [130 22] is needed",
		"bad-infinite.zip": "features: sa: element 0 is infinite",
		"bad-text.zip":     `features: entropy: element 0 is "x"`,
		"bad-seq.zip":      "features: seq is a str of 1 residues",
		"bad-list.zip":     "features: they are a list",
		"targets.npy":      "archive: ",
	} {
		if _, err := run(t, stagetest.Store{}, files[name], nil); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "archive: ") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	for more, want := range map[string]string{"train": `the archive has no file "cameo.lst"`, "validation": "deepcov.lst has 5 proteins, of which 5 are for validation"} {
		value := cty.StringVal("cameo")
		if more == "validation" {
			value = cty.NumberIntVal(5)
		}
		if _, err := run(t, stagetest.Store{}, files["protein.zip"], map[string]cty.Value{more: value}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", more, err, want)
		}
	}
}
