package stagetest

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/pythontest"
)

// Array reads a .npy file.
func Array(tb testing.TB, data []byte) (shape []int, values []float64) {
	tb.Helper()
	r, err := npy.NewReader("array", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		tb.Fatal(err)
	}
	if values, err = npy.ReadAll[float64](r, 1<<30); err != nil {
		tb.Fatal(err)
	}
	return r.Shape, values
}

// Near compares an array with another one, which NumPy made.
func Near(tb testing.TB, what string, got, want []byte, tolerance float64) {
	tb.Helper()
	shape, a := Array(tb, got)
	wantShape, b := Array(tb, want)
	if !slices.Equal(shape, wantShape) {
		tb.Fatalf("%s has shape %v, want %v", what, shape, wantShape)
	}
	for i := range a {
		if !(math.Abs(a[i]-b[i]) <= tolerance) {
			tb.Fatalf("%s: element %d is %v, want %v", what, i, a[i], b[i])
		}
	}
}

// Fixture runs a Python script that writes files into a folder, and gives them by
// name. Without a Python that has the modules the test is skipped: see pythontest.
func Fixture(tb testing.TB, script string, modules ...string) map[string][]byte {
	tb.Helper()
	python := pythontest.Find(tb, modules...)
	dir := tb.TempDir()
	if out, err := exec.Command(python, script, dir).CombinedOutput(); err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			tb.Fatal(err)
		}
	}
	return files
}
