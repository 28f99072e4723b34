package ecg

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
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy", "sklearn")
	t.Run("AgainstScikitLearn", func(t *testing.T) { againstScikitLearn(t, files) })
	t.Run("SplitOfTheRealNumber", func(t *testing.T) { splitOfTheRealNumber(t, files) })
	t.Run("Refused", func(t *testing.T) { refused(t, files) })
}

func run(t *testing.T, file []byte, limit int64) (*stagetest.Result, error) {
	t.Helper()
	store := stagetest.Store{}
	return stagetest.Run(t, Kind, store, map[string]cty.Value{
		"recordings": stages.FileValue(store.File("challenge2017.pkl", file)), "limit": cty.NumberIntVal(limit),
	})
}

// Windows, classes, recordings and the split are NumPy's and scikit-learn's, in
// whatever form the recordings come.
func againstScikitLearn(t *testing.T, files map[string][]byte) {
	_, counts := stagetest.Array(t, files["counts.npy"])
	for _, file := range []string{"array.pkl", "list.pkl", "bytes.pkl"} {
		r, err := run(t, files[file], 0)
		if err != nil {
			t.Fatal(err)
		}
		for name, tolerance := range map[string]float64{"inputs.npy": 1e-6, "labels.npy": 0, "records.npy": 0} {
			stagetest.Near(t, file+": "+name, r.Files["data/"+name], files[name], tolerance)
		}
		d, err := training.ParseDescription(r.Files["data/dataset.json"])
		if err != nil {
			t.Fatal(err)
		}
		if s := d.Splits; float64(s.Train.Count) != counts[0] || float64(s.Validation.Count) != counts[1] || float64(s.Test.Count) != counts[2] {
			t.Errorf("%s: splits %+v, want %v", file, s, counts)
		}
		if d.Task != "ecg" || d.Metric != "f1_error" || d.Classes != 4 || d.Records == nil {
			t.Errorf("%s: %+v", file, d)
		}
	}
	r, err := run(t, files["array.pkl"], 2)
	if err != nil {
		t.Fatal(err)
	}
	_, all := stagetest.Array(t, files["records.npy"])
	_, some := stagetest.Array(t, r.Files["data/records.npy"])
	if got := slices.Compact(slices.Clone(some)); len(got) > 6 || got[0] != all[0] {
		t.Errorf("limit 2 leaves the recordings %v", got)
	}
}

// The split of the challenge's 8,528 recordings: the first of each part.
func splitOfTheRealNumber(t *testing.T, files map[string][]byte) {
	train, validation, test := split(8528)
	if len(train) != 6822 || len(validation) != 853 || len(test) != 853 {
		t.Errorf("%d, %d and %d recordings", len(train), len(validation), len(test))
	}
	_, want := stagetest.Array(t, files["real.npy"])
	for i, got := range slices.Concat(train[:7], validation[:7], test[:7]) {
		if float64(got) != want[i] {
			t.Errorf("recording %d is %d, want %v", i, got, want[i])
		}
	}
	all := slices.Concat(train, validation, test)
	slices.Sort(all)
	if len(slices.Compact(all)) != 8528 {
		t.Error("some are in two parts")
	}
}

func refused(t *testing.T, files map[string][]byte) {
	for name, want := range map[string]string{
		"list": "it holds a list, and a dict with data and label is needed", "short": "it has 43 recordings and 5 labels", "none": `its dict has no "label"`,
		"label": `recording 0 has label "X"`, "flat": "recording 0 is an array, and a series is needed", "number": "recording 0 is an int",
		"nan": "a series has values that are not finite", "tiny": "is longer than 1000 samples",
	} {
		if _, err := run(t, files["bad-"+name+".pkl"], 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := run(t, files["array.pkl"][:3000], 0); err == nil || !strings.HasPrefix(err.Error(), "recordings: challenge2017.pkl: ") {
		t.Errorf("half a file: %v", err)
	}
}
