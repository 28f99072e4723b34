package datafolder

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/training"
)

func values(t *testing.T, path string) ([]int, []float64) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := npy.NewReader(path, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	all, err := npy.ReadAll[float64](r, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return r.Shape, all
}

func TestArray(t *testing.T) {
	dir := t.TempDir()
	a, err := Create[float32](dir, "a.npy", npy.Float32, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{2, 0, 1} {
		if err := a.Put(i, []float32{float32(i), float32(10 * i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Put(3, []float32{1, 2}); err == nil {
		t.Error("a sample behind the last one")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, got := values(t, filepath.Join(dir, "a.npy")); !slices.Equal(got, []float64{0, 0, 1, 10, 2, 20}) {
		t.Errorf("%v", got)
	}
	b, err := Create[float32](dir, "b.npy", npy.Float32, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Append([]float32{1, 2}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err == nil || !strings.Contains(err.Error(), "2 elements were written for shape [3 2]") {
		t.Errorf("too few elements: %v", err)
	}
}

func TestRowsGoOnInTheNextFile(t *testing.T) {
	dir := t.TempDir()
	r := NewRows[int32](dir, "x", npy.Uint8, 5, 2)
	r.perFile = 2
	for i := range int32(5) {
		if err := r.Append([]int32{i, i + 10}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Append([]int32{5, 15}); err == nil {
		t.Error("a sixth sample of five")
	}
	a, err := r.Close()
	if err != nil || a.File != "" || !slices.Equal(a.Files, []string{"x-000.npy", "x-001.npy", "x-002.npy"}) || !slices.Equal(a.Shape, []int{5, 2}) || a.DType != "uint8" {
		t.Fatalf("%+v, %v", a, err)
	}
	var all []float64
	for _, name := range a.Files {
		_, v := values(t, filepath.Join(dir, name))
		all = append(all, v...)
	}
	if !slices.Equal(all, []float64{0, 10, 1, 11, 2, 12, 3, 13, 4, 14}) {
		t.Errorf("%v", all)
	}
	open := NewRows[int32](dir, "o", npy.Int32, Unknown, 1)
	open.perFile = 2
	for i := range int32(3) {
		if err := open.Append([]int32{i}); err != nil {
			t.Fatal(err)
		}
	}
	if a, err := open.Close(); err != nil || !slices.Equal(a.Files, []string{"o-000.npy", "o-001.npy"}) || !slices.Equal(a.Shape, []int{3, 1}) {
		t.Errorf("%+v, %v", a, err)
	}
	if shape, last := values(t, filepath.Join(dir, "o-001.npy")); !slices.Equal(shape, []int{1, 1}) || last[0] != 2 {
		t.Errorf("%v %v", shape, last)
	}
	if _, err := NewRows[int32](dir, "n", npy.Int32, Unknown, 1).Close(); err == nil {
		t.Error("an open array without samples")
	}
	one := NewRows[int32](dir, "y", npy.Int32, 1)
	if err := one.Append([]int32{7}); err != nil {
		t.Fatal(err)
	}
	if a, err := one.Close(); err != nil || a.File != "y.npy" || a.Files != nil {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := NewRows[int32](dir, "z", npy.Int32, 1).Close(); err == nil {
		t.Error("an array without samples")
	}
}

func TestFinish(t *testing.T) {
	f, err := New(&stages.Input{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	out := stages.NewOutput()
	f.Description = training.Description{Task: "mine", Splits: Consecutive(4, 2, 3), Metric: nn.ZeroOneError, Classes: 3}
	if err := f.Finish(out); err == nil {
		t.Error("a description without arrays")
	}
	f.Description.Inputs, f.Description.Labels = training.Array{File: "x.npy"}, &training.Array{File: "y.npy"}
	if err := f.Finish(out); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(f.Dir, training.DescriptionFile))
	if err != nil || !json.Valid(text) {
		t.Fatalf("%s, %v", text, err)
	}
	if s := f.Description.Splits; s.Validation.First != 4 || s.Test.First != 6 || out.Files["data"].Path != f.Dir {
		t.Errorf("%+v, %+v", s, out.Files)
	}
	if Limited(5, 0) != 5 || Limited(5, 3) != 3 || Limited(5, 9) != 5 {
		t.Error("limit")
	}
}
