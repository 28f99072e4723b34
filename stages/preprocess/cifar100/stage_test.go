package cifar100

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/training"
)

func run(t *testing.T, archive []byte, limit int64) (*stagetest.Result, error) {
	t.Helper()
	store := stagetest.Store{}
	return stagetest.Run(t, Kind, store, map[string]cty.Value{
		"archive": stages.FileValue(store.File("cifar-100-python.tar.gz", archive)), "limit": cty.NumberIntVal(limit),
	})
}

// Images, labels and what networks see are NumPy's.
func TestAgainstNumPy(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy")
	_, seen := stagetest.Array(t, files["seen.npy"])
	for _, name := range []string{"python2.tar.gz", "python3.tar.gz"} {
		r, err := run(t, files[name], 0)
		if err != nil {
			t.Fatal(err)
		}
		stagetest.Near(t, "inputs", r.Files["data/inputs.npy"], files["inputs.npy"], 0)
		stagetest.Near(t, "labels", r.Files["data/labels.npy"], files["labels.npy"], 0)
		d, err := training.ParseDescription(r.Files["data/dataset.json"])
		if err != nil {
			t.Fatal(err)
		}
		want := training.Splits{Train: training.Range{First: 0, Count: 18}, Validation: training.Range{First: 18, Count: 5}, Test: training.Range{First: 23, Count: 7}}
		if d.Splits != want || d.Task != "cifar100" || d.Classes != 100 || d.Metric != "error" || d.Inputs.DType != "uint8" {
			t.Errorf("%+v", d)
		}
		_, pixels := stagetest.Array(t, r.Files["data/inputs.npy"])
		for i, v := range pixels {
			c := i / 1024 % 3
			if got := (v - d.Normalisation.Mean[c]) / d.Normalisation.Std[c]; math.Abs(got-seen[i]) > 1e-12 {
				t.Fatalf("element %d is seen as %v, want %v", i, got, seen[i])
			}
		}
	}
	r, err := run(t, files["python2.tar.gz"], 2)
	if err != nil {
		t.Fatal(err)
	}
	_, all := stagetest.Array(t, files["labels.npy"])
	if _, got := stagetest.Array(t, r.Files["data/labels.npy"]); !slices.Equal(got, []float64{all[0], all[1], all[18], all[19], all[23], all[24]}) {
		t.Errorf("limit 2 gives labels %v of %v", got, all)
	}
}

func TestRefused(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy")
	for name, want := range map[string]string{
		"bad-plain.tar.gz": "it is no .tar.gz file",
		"bad-label.tar.gz": "test: fine_labels: image 0: label 100; the labels are 0 to 99",
		"bad-count.tar.gz": "test: there are 7 images and 6 labels",
		"bad-shape.tar.gz": "its images have shape [3000], and [3 32 32] is needed",
		"bad-keys.tar.gz":  "data is None",
		"bad-list.tar.gz":  "it holds a list",
		"bad-code.tar.gz":  `names "os.system", which is not allowed`,
		"bad-empty.tar.gz": "it has no file train",
	} {
		if _, err := run(t, files[name], 0); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "archive: ") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	whole := files["python2.tar.gz"]
	if _, err := run(t, whole[:len(whole)/2], 0); err == nil {
		t.Error("half an archive")
	}
	changed := slices.Clone(whole)
	changed[len(changed)-5]++ // of the length at the end
	if _, err := run(t, changed, 0); err == nil {
		t.Error("an archive whose checksum is wrong")
	}
}
