package darcyflow

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/training"
)

func attributes(store stagetest.Store, train, test []byte) map[string]cty.Value {
	return map[string]cty.Value{
		"train": stages.FileValue(store.File("smooth1.mat", train)), "test": stages.FileValue(store.File("smooth2.mat", test)),
		"splits": cty.ObjectVal(map[string]cty.Value{"train": cty.NumberIntVal(10), "validation": cty.NumberIntVal(3), "test": cty.NumberIntVal(4)}),
	}
}

// Nodes are those that SciPy, h5py and NumPy give, of each version of the files.
func TestAgainstSciPy(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy", "scipy", "h5py")
	for _, version := range []string{"5", "5z", "73"} {
		store := stagetest.Store{}
		given := attributes(store, files["train-"+version+".mat"], files["test-"+version+".mat"])
		r, err := stagetest.Run(t, Kind, store, given)
		if err != nil {
			t.Fatal(err)
		}
		stagetest.Near(t, version+": inputs", r.Files["data/coeff.npy"], files["inputs.npy"], 0)
		stagetest.Near(t, version+": targets", r.Files["data/sol.npy"], files["targets.npy"], 0)
		d, err := training.ParseDescription(r.Files["data/dataset.json"])
		if err != nil {
			t.Fatal(err)
		}
		want := training.Splits{Train: training.Range{First: 0, Count: 10}, Validation: training.Range{First: 10, Count: 3}, Test: training.Range{First: 13, Count: 4}}
		if d.Splits != want || d.Task != "darcy_flow" || d.Metric != "relative_l2" || !d.Coordinates || d.Normalisation.Epsilon != 1e-5 {
			t.Errorf("%+v", d)
		}
		given["limit"] = cty.NumberIntVal(2)
		if r, err = stagetest.Run(t, Kind, store, given); err != nil {
			t.Fatal(err)
		}
		_, all := stagetest.Array(t, files["targets.npy"])
		_, got := stagetest.Array(t, r.Files["data/sol.npy"])
		size := len(all) / 17
		for i, k := range []int{0, 1, 10, 11, 13, 14} {
			if !slices.Equal(got[i*size:(i+1)*size], all[k*size:(k+1)*size]) {
				t.Errorf("limit 2: sample %d is not sample %d of all", i, k)
			}
		}
	}
}

// Networks see the training samples as the repository prepares them: normalised for
// each node, the two coordinates as channels.
func TestSeen(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy", "scipy", "h5py")
	store := stagetest.Store{}
	r, err := stagetest.Run(t, Kind, store, attributes(store, files["train-73.mat"], files["test-73.mat"]))
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
	p, err := data.Prepare([]string{training.Train})
	if err != nil {
		t.Fatal(err)
	}
	shape, want := stagetest.Array(t, files["seen.npy"])
	if got := p.Train.Inputs; !slices.Equal(got.Shape, shape) {
		t.Fatalf("inputs of shape %v, want %v", got.Shape, shape)
	}
	side := shape[2] * shape[3]
	for i, v := range p.Train.Inputs.Data {
		k := i
		switch i / side % 3 { // training has the row's coordinate first, the repository the column's
		case 1:
			k += side
		case 2:
			k -= side
		}
		if math.Abs(float64(v)-want[k]) > 2e-5 {
			t.Fatalf("element %d is %v, want %v", i, v, want[k])
		}
	}
}

func TestDefaults(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy", "scipy", "h5py")
	store := stagetest.Store{}
	given := attributes(store, files["train-5.mat"], files["test-5.mat"])
	delete(given, "splits")
	if _, err := stagetest.Run(t, Kind, store, given); err == nil || !strings.Contains(err.Error(), "has 14 samples, and 1000 are asked for") {
		t.Error(err)
	}
	given["limit"] = cty.NumberIntVal(3) // validation is after 900 all the same
	if _, err := stagetest.Run(t, Kind, store, given); err == nil || !strings.Contains(err.Error(), "has 14 samples, and 903 are asked for") {
		t.Error(err)
	}
	given["splits"] = cty.ObjectVal(map[string]cty.Value{"train": cty.NumberIntVal(0), "validation": cty.NumberFloatVal(1.5), "test": cty.NumberIntVal(-1)})
	if p := stagetest.Problems(t, Kind, given); len(p) != 3 {
		t.Errorf("%+v", p)
	}
}

func TestRefused(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy", "scipy", "h5py")
	for name, want := range map[string]string{
		"bad-flat.mat":    `test: variable "coeff" has shape [14 31]`,
		"bad-other.mat":   `test: variable "coeff" has [30 31] nodes, and another one [31 31]`,
		"bad-none.mat":    `test: smooth2.mat: it has no variable "coeff"; it has ["sol"]`,
		"bad-nan.mat":     `test: variable "sol": node (0, 5) of sample 0 is NaN`,
		"bad-complex.mat": "complex",
		"inputs.npy":      "no .mat file",
	} {
		store := stagetest.Store{}
		if _, err := stagetest.Run(t, Kind, store, attributes(store, files["train-73.mat"], files[name])); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// sparse makes a file that lies on disk as a hole: a variable of samples of zeros, not
// compressed, of each name.
func sparse(t *testing.T, path string, samples, side int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	le := binary.LittleEndian
	head := append([]byte("MATLAB 5.0 MAT-file"), make([]byte, 105)...)
	head = append(head, 0, 1, 'I', 'M')
	at := int64(0)
	for _, name := range []string{"coeff", "sol"} {
		size := 8 * samples * side * side
		head = le.AppendUint32(head, 14)
		head = le.AppendUint32(head, uint32(64+size))
		head = append(head, 6, 0, 0, 0, 8, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 12, 0, 0, 0)
		for _, n := range []int{samples, side, side, 0} {
			head = le.AppendUint32(head, uint32(n))
		}
		head = le.AppendUint32(le.AppendUint32(head, 1), uint32(len(name)))
		head = append(append(head, name...), make([]byte, 8-len(name))...)
		head = le.AppendUint32(le.AppendUint32(head, 9), uint32(size))
		if _, err := f.WriteAt(head, at); err != nil {
			t.Fatal(err)
		}
		at += int64(len(head) + size)
		head = nil
		if err := f.Truncate(at); err != nil {
			t.Fatal(err)
		}
	}
}

// linked gives files of a folder by name.
type linked struct {
	stagetest.Store
	dir string
}

func (l linked) Materialise(_ context.Context, f stages.File, dest string) error {
	return os.Link(filepath.Join(l.dir, f.Name), dest)
}

type silent struct{}

func (silent) Report(int64, int64, string) {}

// Files of the real ones' size, 1.4 GB a variable, are read in little memory.
func TestMemory(t *testing.T) {
	if os.Getenv("NBPIPE_CI") == "" {
		t.Skip("it reads 5.8 GB of zeros: set NBPIPE_CI")
	}
	dir := t.TempDir()
	sparse(t, filepath.Join(dir, "a.mat"), 1024, 421)
	info, err := os.Stat(filepath.Join(dir, "a.mat"))
	if err != nil {
		t.Fatal(err)
	}
	in := &stages.Input{Address: "test", Scratch: t.TempDir(), CPUs: 1, Log: io.Discard, Progress: silent{}, Store: linked{dir: dir}}
	file := stages.File{Name: "a.mat"}
	file.Size = info.Size()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := (&Stage{Train: file, Test: file, Subsample: 5}).Run(t.Context(), in, stages.NewOutput()); err != nil {
		t.Fatal(err)
	}
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 384<<20 {
		t.Errorf("%d bytes were allocated", after.TotalAlloc-before.TotalAlloc)
	}
}
