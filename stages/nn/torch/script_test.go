package torch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
)

// Pools, augmentation, dropout masks and tensor files of the script are those
// of PyTorch, of plain loops, and of package nn: see testdata/check.py.
func TestScriptAgainstReferences(t *testing.T) {
	interpreter := python(t)
	folder := t.TempDir()
	key := nn.NewDropoutKey(7, "a", 3)
	const elements, rate = 5000, 0.3
	kept, count := make([]int32, elements), 0
	for i := range kept {
		if key.Keeps(uint32(i), rate) {
			kept[i] = 1
			count++
		}
	}
	if count < 3400 || count > 3600 {
		t.Errorf("%d of %d elements are kept at a rate of %v", count, elements, rate)
	}

	j := &job{folder: folder}
	sets := map[string]*dataSpec{}
	for name, c := range scriptCases(t) {
		sets[name] = c.write(t, j, name)
	}
	if err := j.write("kept.npy", func(to io.Writer) error {
		return npy.Write(to, npy.Header{Type: npy.Int32, Shape: []int{elements}}, kept)
	}); err != nil {
		t.Fatal(err)
	}
	facts, err := json.Marshal(map[string]any{"sets": sets, "cutout": 3, "elements": elements, "rate": rate, "key": []int32{int32(key[0]), int32(key[1])}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(j.path("facts.json"), facts, 0o644); err != nil {
		t.Fatal(err)
	}
	weights := nn.Weights{"b<": {Shape: []int{2, 1}, Data: []float64{1, -0.5}}, "a": {Shape: []int{1}, Data: []float64{3}}}
	if err := j.write("tensors.safetensors", func(to io.Writer) error {
		return nn.WriteTensors(to, weights, nn.Float32, map[string]string{"job": "x"})
	}); err != nil {
		t.Fatal(err)
	}

	c := exec.Command(interpreter, "-B", "testdata/check.py", folder)
	c.Env = append(os.Environ(), "PYTHONPATH="+mustAbs(t, "script"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	again, err := os.ReadFile(j.path("again.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	w, metadata, err := nn.ReadTensors(bytes.NewReader(again))
	if err != nil || metadata["job"] != "x" || w["b<"].Data[1] != -0.5 || w["a"].Data[0] != 3 {
		t.Errorf("tensors came back as %v, %v; %v", w, metadata, err)
	}
}

// scriptCase is data of which Go's and Python's batches are compared.
type scriptCase struct {
	data  *nn.Dataset
	image nn.Shape
	how   nn.Augmentation
	loss  nn.Loss
}

func scriptCases(t *testing.T) map[string]scriptCase {
	t.Helper()
	random := nn.Stream(1, "test data", 0)
	draw := func(shape ...int) nn.Array {
		a := nn.Array{Shape: shape}
		n := 1
		for _, side := range shape {
			n *= side
		}
		for range n {
			a.Data = append(a.Data, random.Float32()-0.3)
		}
		return a
	}
	image := nn.Shape{Channels: 2, Height: 7, Width: 6}
	standard := &nn.Standardisation{Mean: []float64{0.3, 0.1}, Std: []float64{0.7, 3}}
	levels := draw(40).Data
	counts := draw(40, 2, 7, 6)
	for i, v := range counts.Data {
		counts.Data[i] = 0
		if v > 0 {
			counts.Data[i] = 1
		}
	}
	records := make([]int32, 40)
	for i := range records {
		records[i] = int32(i * i % 17)
	}
	lengths := []int{9, 3, 14}
	pairs := &nn.Pairs{Lengths: lengths, Sequence: draw(26, 3), Maps: draw(286, 2), Targets: draw(286, 1), Padding: 2, Outside: 16, Side: 8}
	for record := range lengths {
		pairs.Windows = append(pairs.Windows, nn.Window{Record: record})
	}
	covering := *pairs
	covering.Windows = append(pairs.Cover(0), pairs.Cover(2)...)
	return map[string]scriptCase{
		"images":   {&nn.Dataset{Inputs: draw(40, 2, 7, 6)}, image, nn.Augmentation{Crop: 2, Flip: true, Cutout: 3}, nn.SumOutputs},
		"standard": {&nn.Dataset{Inputs: draw(40, 2, 7, 6), Standard: standard}, image, nn.Augmentation{Crop: 2, Flip: true, Cutout: 3}, nn.SumOutputs},
		"sound": {
			&nn.Dataset{Inputs: draw(40, 2, 7, 6), Standard: standard, Levels: levels, Noise: draw(5, 2, 7, 6), Records: records, Targets: draw(40, 2, 7, 6), Counts: counts},
			image, nn.Augmentation{Crop: 1, OneARecord: true, Levels: [2]float64{-0.9, 3}, Noise: 0.75, NoiseShare: 0.5, SpecAugment: 0.5, Cutout: 3}, nn.BCE,
		},
		"plain":  {&nn.Dataset{Inputs: inFiles(t, draw(40, 6, 2)), Standard: &nn.Standardisation{Mean: []float64{0.3}, Std: []float64{0.7}}}, nn.Shape{Channels: 2, Height: 1, Width: 6}, nn.Augmentation{}, nn.SumOutputs},
		"pairs":  {&nn.Dataset{Pairs: pairs}, pairs.Input(), nn.Augmentation{}, nn.MSE},
		"covers": {&nn.Dataset{Pairs: &covering}, pairs.Input(), nn.Augmentation{}, nn.MSE},
	}
}

// inFiles puts an array (samples, time, channels) into three files, and returns rows
// of them as samples of (channels, 1, time).
func inFiles(t *testing.T, a nn.Array) nn.Array {
	t.Helper()
	dir := t.TempDir()
	f := &nn.Files{Axes: []int{0, 2, -1, 1}, Rows: []nn.Rows{{First: 25, Count: 12}, {First: 3, Count: 8}}}
	for i, cut := range [][2]int{{0, 10}, {10, 29}, {29, 40}} {
		shape := []int{cut[1] - cut[0], a.Shape[1], a.Shape[2]}
		path := filepath.Join(dir, fmt.Sprint(i, ".npy"))
		var b bytes.Buffer
		if err := npy.Write(&b, npy.Header{Type: npy.Float64, Shape: shape}, a.Data[cut[0]*12:cut[1]*12]); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		f.Parts = append(f.Parts, nn.Part{Path: path, Shape: shape})
	}
	return nn.Array{Shape: []int{20, a.Shape[2], 1, a.Shape[1]}, Files: f}
}

// write puts the data, and a batch of them as Go makes it, into the folder.
func (c *scriptCase) write(t *testing.T, j *job, name string) *dataSpec {
	t.Helper()
	spec, err := j.data(name, c.data, c.loss)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, shape []int, data []float32) {
		if err := j.write(name, func(to io.Writer) error { return npy.Write(to, npy.Header{Type: npy.Float32, Shape: shape}, data) }); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := c.data.Load()
	if err != nil {
		t.Fatal(err)
	}
	batches := nn.Batches(5, 0, c.data, &nn.Recipe{BatchSize: 40, Augmentation: c.how}, c.image)
	if name == "covers" {
		batches = nn.Ordered(c.data.Len(), 40)
	}
	n := len(batches[0].Indices)
	seen := make([]float32, n*c.image.Size())
	nn.Gather(seen, loaded, batches[0], c.how, c.image)
	if slices.Max(seen) == slices.Min(seen) {
		t.Errorf("%s: all values are the same", name)
	}
	write(name+"-seen.npy", append([]int{n}, c.image.Dims()...), seen)
	if c.loss != nn.SumOutputs {
		targets, counts := loaded.Answers(batches[0])
		shape := []int{n, len(targets[0]) / c.image.Area(), c.image.Height, c.image.Width}
		write(name+"-answers.npy", shape, slices.Concat(targets...))
		if counts != nil {
			write(name+"-counted.npy", shape, slices.Concat(counts...))
		}
	}
	if err := j.schedule(name+"-rows.npy", batches); err != nil {
		t.Fatal(err)
	}
	return spec
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
