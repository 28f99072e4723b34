package deepsea

import (
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/training"
)

// TestFiles looks at what testdata/fixture.py writes.
func TestFiles(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy")
	t.Run("AgainstNumPy", func(t *testing.T) { againstNumPy(t, files) })
	t.Run("Refused", func(t *testing.T) { refused(t, files) })
}

func run(t *testing.T, archive []byte, limit int64) (*stagetest.Result, error) {
	t.Helper()
	store := stagetest.Store{}
	return stagetest.Run(t, Kind, store, map[string]cty.Value{
		"archive": stages.FileValue(store.File("deepsea_filtered.npz", archive)), "limit": cty.NumberIntVal(limit),
	})
}

// Sequences and features are NumPy's, whatever the types and the order of the arrays.
func againstNumPy(t *testing.T, files map[string][]byte) {
	for archive, typ := range map[string]string{"uint8.npz": "uint8", "float64.npz": "float32", "fortran.npz": "float32"} {
		r, err := run(t, files[archive], 0)
		if err != nil {
			t.Fatal(err)
		}
		stagetest.Near(t, archive+": inputs", r.Files["data/inputs.npy"], files["inputs.npy"], 0)
		stagetest.Near(t, archive+": targets", r.Files["data/targets.npy"], files["targets.npy"], 0)
		d, err := training.ParseDescription(r.Files["data/dataset.json"])
		if err != nil {
			t.Fatal(err)
		}
		want := training.Splits{Train: training.Range{First: 0, Count: 9}, Validation: training.Range{First: 9, Count: 3}, Test: training.Range{First: 12, Count: 5}}
		if d.Splits != want || d.Task != "deepsea" || d.Metric != "auroc_error" || d.Loss != "bce" || d.Inputs.DType != typ {
			t.Errorf("%s: %+v", archive, d)
		}
		if r, err = run(t, files[archive], 2); err != nil {
			t.Fatal(err)
		}
		_, all := stagetest.Array(t, files["targets.npy"])
		shape, got := stagetest.Array(t, r.Files["data/targets.npy"])
		if !slices.Equal(shape, []int{6, 36}) || !slices.Equal(got[:72], all[:72]) || !slices.Equal(got[72:144], all[9*36:11*36]) {
			t.Errorf("%s, limit 2: shape %v", archive, shape)
		}
	}
}

func refused(t *testing.T, files map[string][]byte) {
	for name, want := range map[string]string{
		"missing": `it holds no array "y_val"`, "targets": "y_test: target 2; targets are 0 or 1",
		"shape": "x_val has shape [3 50 3]", "bases": "x_val has 40 bases", "samples": "x_test has shape [5 50 4] and y_test [9 36]",
		"nan": "x_test: sample 0 has values that are not finite", "objects": "x_train",
	} {
		if _, err := run(t, files["bad-"+name+".npz"], 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := run(t, []byte("text"), 0); err == nil || !strings.HasPrefix(err.Error(), "archive: deepsea_filtered.npz: ") {
		t.Errorf("no archive: %v", err)
	}
	broken := slices.Clone(files["float64.npz"])
	broken[2000] ^= 1
	if _, err := run(t, broken, 0); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("a changed byte: %v", err)
	}
}
