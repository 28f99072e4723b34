package torch

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
)

// Pools, augmentation, dropout masks and tensor files of the script are those
// of PyTorch, of plain loops, and of package nn: see testdata/check.py.
func TestScriptAgainstReferences(t *testing.T) {
	interpreter := python(t)
	folder := t.TempDir()
	image := nn.Shape{Channels: 2, Height: 7, Width: 6}
	r := &nn.Recipe{BatchSize: 40, Augmentation: nn.Augmentation{Crop: 2, Flip: true, Cutout: 3}}
	r2 := nn.Stream(1, "test data", 0)
	inputs := nn.Array{Shape: []int{40, 2, 7, 6}, Data: make([]float32, 40*image.Size())}
	for i := range inputs.Data {
		inputs.Data[i] = r2.Float32()
	}
	batches := nn.Batches(5, 0, 40, r, image)
	changed := make([]float32, len(inputs.Data))
	nn.Gather(changed, inputs, batches[0], r.Augmentation, image)

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
	write := func(name string, shape []int, data []float32) {
		if err := j.write(name, func(to io.Writer) error { return npy.Write(to, npy.Header{Type: npy.Float32, Shape: shape}, data) }); err != nil {
			t.Fatal(err)
		}
	}
	write("inputs.npy", inputs.Shape, inputs.Data)
	write("changed.npy", inputs.Shape, changed)
	if err := j.schedule("rows.npy", batches); err != nil {
		t.Fatal(err)
	}
	if err := j.write("kept.npy", func(to io.Writer) error {
		return npy.Write(to, npy.Header{Type: npy.Int32, Shape: []int{elements}}, kept)
	}); err != nil {
		t.Fatal(err)
	}
	facts, err := json.Marshal(map[string]any{"cutout": 3, "elements": elements, "rate": rate, "key": []int32{int32(key[0]), int32(key[1])}})
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

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
