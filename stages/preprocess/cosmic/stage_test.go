package cosmic

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

func run(t *testing.T, train, test []byte, more map[string]cty.Value) (*stagetest.Result, error) {
	t.Helper()
	store := stagetest.Store{}
	given := map[string]cty.Value{
		"train": stages.FileValue(store.File("train.tar", train)), "test": stages.FileValue(store.File("test.tar", test)),
	}
	for name, v := range more {
		given[name] = v
	}
	return stagetest.Run(t, Kind, store, given)
}

// Images, masks, what counts and the sky are NumPy's.
func againstNumPy(t *testing.T, files map[string][]byte) {
	for prefix, c := range map[string]struct {
		more     map[string]cty.Value
		splits   [3]int
		warnings int
	}{
		"all-":   {nil, [3]int{9, 2, 3}, 1},
		"f435w-": {map[string]cty.Value{"folders": cty.ListVal([]cty.Value{cty.StringVal("f435w")}), "metric": cty.StringVal("pixel_auroc_error")}, [3]int{6, 1, 2}, 1},
	} {
		r, err := run(t, files["train.tar"], files["test.tar"], c.more)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"images.npy", "masks.npy", "counts.npy", "sky.npy"} {
			stagetest.Near(t, prefix+name, r.Files["data/"+name], files[prefix+name], 0)
		}
		d, err := training.ParseDescription(r.Files["data/dataset.json"])
		if err != nil {
			t.Fatal(err)
		}
		if s := d.Splits; [3]int{s.Train.Count, s.Validation.Count, s.Test.Count} != c.splits {
			t.Errorf("%s: splits %+v", prefix, s)
		}
		want := "false_negative_rate"
		if c.more != nil {
			want = "pixel_auroc_error"
		}
		if d.Task != "cosmic" || string(d.Metric) != want || d.Loss != "bce" || d.Counts == nil || d.Levels == nil {
			t.Errorf("%s: %+v", prefix, d)
		}
		if len(r.Warnings) != c.warnings || !strings.Contains(r.Warnings[0], "4 images lie in folders without sky.npy") {
			t.Errorf("%s: warnings %q", prefix, r.Warnings)
		}
	}
	r, err := run(t, files["train.tar"], files["test.tar"], map[string]cty.Value{"limit": cty.NumberIntVal(1)})
	if err != nil {
		t.Fatal(err)
	}
	_, all := stagetest.Array(t, files["all-images.npy"])
	_, some := stagetest.Array(t, r.Files["data/images.npy"])
	const n = kept * kept
	if !slices.Equal(some, slices.Concat(all[:n], all[9*n:10*n], all[11*n:12*n])) {
		t.Error("limit 1 does not leave the first image of each split")
	}
}

func refused(t *testing.T, files map[string][]byte) {
	for name, want := range map[string]string{
		"shape": "it has shape [3 200 256]", "mask": "plane 1, a mask, has the value 3", "nan": "its image has values that are not finite",
		"exposure": "it is of exposure 7, and its sky.npy has 3", "name": "does not begin with the number of an exposure",
		"objects": "npy_test/a/1_0.npy", "none": "it has no .npy files of images", "twice": `it has "npy_test/a/1_0.npy" twice`,
	} {
		if _, err := run(t, files["train.tar"], files["bad-"+name+".tar"], nil); err == nil || !strings.HasPrefix(err.Error(), "test: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := run(t, files["bad-one.tar"], files["test.tar"], nil); err == nil || !strings.HasPrefix(err.Error(), "train: it has 1 images") {
		t.Errorf("one image: %v", err)
	}
	if _, err := run(t, files["train.tar"][:100000], files["test.tar"], nil); err == nil || !strings.Contains(err.Error(), "train: reading a tar archive") {
		t.Errorf("half an archive: %v", err)
	}
	if _, err := run(t, files["train.tar"], files["test.tar"], map[string]cty.Value{"metric": cty.StringVal("error")}); err == nil {
		t.Error("a metric that is not of masks")
	}
}

// The repository's split of its 4,830 images.
func TestTraining90(t *testing.T) {
	for n, want := range map[int]int{4830: 4347, 1: 0, 10: 9, 19: 17} {
		if got := training90(n); got != want {
			t.Errorf("%d of %d, want %d", got, n, want)
		}
	}
}
