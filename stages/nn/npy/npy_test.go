package npy

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"os"
)

func TestWrittenArraysAreReadBack(t *testing.T) {
	var b bytes.Buffer
	if err := WriteFloat32(&b, []int{2, 3}, []float32{1, 2.5, -3, 4, 5, 6e-30}); err != nil {
		t.Fatal(err)
	}
	if b.Len()%64 != 24 {
		t.Errorf("%d bytes: the data do not start at a multiple of 64", b.Len())
	}
	shape, data, err := ReadFloat32(&b)
	if err != nil || !slices.Equal(shape, []int{2, 3}) || !slices.Equal(data, []float32{1, 2.5, -3, 4, 5, 6e-30}) {
		t.Errorf("read %v %v, %v", shape, data, err)
	}
	if err := WriteInt32(&b, []int{4}, []int32{1, -2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	shape, labels, err := ReadInt32(&b)
	if err != nil || !slices.Equal(shape, []int{4}) || !slices.Equal(labels, []int32{1, -2, 3, 4}) {
		t.Errorf("read %v %v, %v", shape, labels, err)
	}
	if err := WriteFloat64(&b, []int{2}, []float64{1}); err == nil {
		t.Error("an array of too few elements was written")
	}
}

func TestNumPyReadsAndWritesThem(t *testing.T) {
	python := "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import numpy").Run(); err != nil {
		if os.Getenv("NBPIPE_CI") != "" {
			t.Fatalf("no python3 with numpy: %v", err)
		}
		t.Skipf("SKIPPED: no python3 with numpy at %s", python)
	}
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "a.npy"))
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteFloat64(f, []int{2, 1, 2}, []float64{1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	f.Close()
	script := `import numpy as np
a = np.load('a.npy')
assert a.dtype == np.float64 and a.tolist() == [[[1, 2]], [[3, 4]]], a
np.save('b.npy', (a * 2).astype(np.int64))`
	cmd := exec.Command(python, "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.Open(filepath.Join(dir, "b.npy"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	shape, data, err := ReadFloat32(b)
	if err != nil || !slices.Equal(shape, []int{2, 1, 2}) || !slices.Equal(data, []float32{2, 4, 6, 8}) {
		t.Errorf("read %v %v, %v", shape, data, err)
	}
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	WriteFloat32(&b, []int{2, 3}, make([]float32, 6))
	f.Add(b.Bytes())
	f.Add([]byte(magic + "\x02\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		shape, data, err := ReadFloat32(bytes.NewReader(text))
		if err == nil && (Header{Shape: shape}).Elements() != len(data) {
			t.Errorf("shape %v with %d elements", shape, len(data))
		}
	})
}
