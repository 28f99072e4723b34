package spherical

import (
	"compress/gzip"
	"context"
	"encoding/binary"
	"io"
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

func run(t *testing.T, file []byte, limit int64) (*stagetest.Result, error) {
	t.Helper()
	store := stagetest.Store{}
	return stagetest.Run(t, Kind, store, map[string]cty.Value{
		"file": stages.FileValue(store.File("s2_cifar100.gz", file)), "limit": cty.NumberIntVal(limit),
	})
}

// Images and labels are NumPy's, whatever types, order and protocol.
func TestAgainstNumPy(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy")
	for name, want := range map[string]string{"bytes-2.gz": "inputs.npy", "bytes-4.gz": "inputs.npy", "floats-2.gz": "floats.npy", "floats-4.gz": "floats.npy"} {
		r, err := run(t, files[name], 0)
		if err != nil {
			t.Fatal(err)
		}
		stagetest.Near(t, name+": inputs", r.Files["data/inputs.npy"], files[want], 0)
		stagetest.Near(t, name+": labels", r.Files["data/labels.npy"], files["labels.npy"], 0)
		d, err := training.ParseDescription(r.Files["data/dataset.json"])
		if err != nil {
			t.Fatal(err)
		}
		splits := training.Splits{Train: training.Range{First: 0, Count: 8}, Validation: training.Range{First: 8, Count: 3}, Test: training.Range{First: 11, Count: 3}}
		if d.Splits != splits || d.Task != "spherical" || d.Classes != 100 || d.Metric != "error" || d.Normalisation.Inputs != "" {
			t.Errorf("%+v", d)
		}
	}
	_, all := stagetest.Array(t, files["labels.npy"])
	r, err := run(t, files["floats-2.gz"], 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, got := stagetest.Array(t, r.Files["data/labels.npy"]); !slices.Equal(got, []float64{all[0], all[8], all[11]}) {
		t.Errorf("limit 1 gives labels %v of %v", got, all)
	}
}

func TestRefused(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy")
	for name, want := range map[string]string{
		"bad-part.gz":  "test: it holds None, and a dict with images and labels is needed",
		"bad-list.gz":  "it holds a list",
		"bad-shape.gz": "test: its images have shape [1 60 60], and [3 60 60] is needed",
		"bad-label.gz": "test: labels: image 0: label",
		"bad-nan.gz":   "test: image 1 has the value NaN",
		"inputs.npy":   "it is no gzip file",
	} {
		if _, err := run(t, files[name], 0); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "file: ") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if whole := files["bytes-4.gz"]; true {
		if _, err := run(t, whole[:len(whole)/2], 0); err == nil {
			t.Error("half a file")
		}
	}
}

// large is a gzipped pickle of n images of zeros for training, and as many for tests.
type large struct {
	stagetest.Store
	n int
}

// Open implements stages.InputStore: the file is made while it is read.
func (l large) Open(context.Context, stages.File) (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() {
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		text := func(s string) { io.WriteString(z, "\x8c"+string(rune(len(s)))+s) }
		array := func(code string, dims []int, bytes int) {
			io.WriteString(z, "cnumpy.core.multiarray\n_reconstruct\n)R(K\x01(")
			for _, d := range dims {
				z.Write(binary.LittleEndian.AppendUint32([]byte("J"), uint32(d)))
			}
			io.WriteString(z, "tcnumpy\ndtype\n")
			text(code)
			z.Write(binary.LittleEndian.AppendUint64([]byte("\x85R\x89\x8e"), uint64(bytes)))
			zeros := make([]byte, 1<<16)
			for ; bytes > 0; bytes -= len(zeros) {
				zeros = zeros[:min(bytes, len(zeros))]
				z.Write(zeros)
			}
			io.WriteString(z, "tb")
		}
		io.WriteString(z, "\x80\x04}(")
		for _, part := range []string{"train", "test"} {
			text(part)
			io.WriteString(z, "}(")
			text("images")
			array("f4", []int{l.n, 3, 60, 60}, 4*l.n*3*60*60)
			text("labels")
			array("u1", []int{l.n}, l.n)
			io.WriteString(z, "u")
		}
		io.WriteString(z, "u.")
		w.CloseWithError(z.Close())
	}()
	return r, nil
}

// A file of 170 MB once it is inflated is turned into a folder with little memory.
func TestMemory(t *testing.T) {
	const n = 2000
	in := &stages.Input{Address: "test", Scratch: t.TempDir(), CPUs: 1, Log: io.Discard, Progress: silent{}, Store: large{n: n}}
	stage := &Stage{File: stages.File{Name: "large.gz"}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := stage.Run(t.Context(), in, stages.NewOutput()); err != nil {
		t.Fatal(err)
	}
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 48<<20 {
		t.Errorf("%d bytes were allocated", after.TotalAlloc-before.TotalAlloc)
	}
	info, err := os.Stat(filepath.Join(in.Scratch, "data", "inputs.npy"))
	if err != nil || info.Size() < 4*2*n*3*60*60 {
		t.Error(info, err)
	}
}

type silent struct{}

func (silent) Report(int64, int64, string) {}
