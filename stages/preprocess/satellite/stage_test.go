package satellite

import (
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

func run(t *testing.T, train, test []byte, limit int64) (*stagetest.Result, error) {
	t.Helper()
	store := stagetest.Store{}
	return stagetest.Run(t, Kind, store, map[string]cty.Value{
		"train": stages.FileValue(store.File("train.npy", train)), "test": stages.FileValue(store.File("test.npy", test)),
		"limit": cty.NumberIntVal(limit),
	})
}

// Series and labels are NumPy's, whatever the types and the order of the file's arrays.
func againstNumPy(t *testing.T, files map[string][]byte) {
	for _, train := range []string{"train.npy", "train-2.npy"} {
		r, err := run(t, files[train], files["test.npy"], 0)
		if err != nil {
			t.Fatal(err)
		}
		stagetest.Near(t, train+": inputs", r.Files["data/inputs.npy"], files["inputs.npy"], 1e-6)
		stagetest.Near(t, train+": labels", r.Files["data/labels.npy"], files["labels.npy"], 0)
		d, err := training.ParseDescription(r.Files["data/dataset.json"])
		if err != nil {
			t.Fatal(err)
		}
		want := training.Splits{Train: training.Range{First: 0, Count: 33}, Validation: training.Range{First: 33, Count: 7}, Test: training.Range{First: 40, Count: 7}}
		if d.Splits != want || d.Task != "satellite" || d.Metric != "error" || d.Classes != 24 {
			t.Errorf("%+v", d)
		}
		if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "1 series are the same value") {
			t.Errorf("warnings %q", r.Warnings)
		}
	}
	_, all := stagetest.Array(t, files["labels.npy"])
	for _, train := range []string{"train.npy", "train-2.npy"} {
		r, err := run(t, files[train], files["test.npy"], 2)
		if err != nil {
			t.Fatal(err)
		}
		_, got := stagetest.Array(t, r.Files["data/labels.npy"])
		for i, k := range []int{0, 1, 33, 34, 40, 41} {
			if got[i] != all[k] {
				t.Errorf("%s, limit 2: sample %d has label %v, want %v", train, i, got[i], all[k])
			}
		}
	}
}

func refused(t *testing.T, files map[string][]byte) {
	for train, want := range map[string]string{
		"bad-list.npy":  "train: train.npy: its elements are of type int64, and objects are expected",
		"bad-text.npy":  "data is a str, and an array is needed",
		"bad-short.npy": "40 series and 7 labels",
		"bad-nan.npy":   "train: sample 0: a series has values that are not finite",
		"bad-other.npy": "series of 40 values, and test 7 of 46",
		"bad-flat.npy":  "data has shape [40], and (samples, times) is needed",
		"test.npy":      "it has 7 series of 46 values, and test 7 of 46",
	} {
		if _, err := run(t, files[train], files["test.npy"], 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", train, err, want)
		}
	}
	if _, err := run(t, files["train.npy"], files["bad-labels.npy"], 0); err == nil || !strings.Contains(err.Error(), "test: sample 0: label 25; the labels are 1 to 24") {
		t.Errorf("label 25: %v", err)
	}
	if _, err := run(t, files["train.npy"][:200], files["test.npy"], 0); err == nil {
		t.Error("half a file")
	}
}
