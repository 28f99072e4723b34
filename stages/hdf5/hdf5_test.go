package hdf5

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// whole puts an array together, and fails where an element is there twice or never.
func whole(t *testing.T, d *Dataset) []float64 {
	t.Helper()
	n, err := volume(d.Shape, 1)
	if err != nil {
		t.Fatal(err)
	}
	out, seen := make([]float64, n), make([]int, n)
	err = d.Blocks(context.Background(), func(b Block) error {
		at := make([]int, len(d.Shape))
		for _, v := range b.Values {
			place := 0
			for i := range at {
				place = place*d.Shape[i] + b.Start[i] + at[i]
			}
			out[place] = v
			seen[place]++
			advance(at, b.Shape, len(at)-1, 1)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range seen {
		if k != 1 {
			t.Fatalf("element %d was visited %d times", i, k)
		}
	}
	return out
}

// What h5py reads, see testdata/make_fixtures.py.
func TestFixtures(t *testing.T) {
	var expected map[string]map[string]struct {
		Type   string
		Shape  []int
		Values []float64
	}
	if err := json.Unmarshal(fixture(t, "expected.json"), &expected); err != nil {
		t.Fatal(err)
	}
	types := map[string]string{"f2": "float16", "f4": "float32", "f8": "float64", "i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64", "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64"}
	for name, arrays := range expected {
		if name == "refused.h5" || name == "dense.h5" {
			continue
		}
		data := fixture(t, name)
		f, err := Open(name, bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range arrays {
			t.Run(name+" "+key, func(t *testing.T) {
				if !slices.Contains(f.Names(), key) {
					t.Errorf("not among %q", f.Names())
				}
				d, err := f.Dataset(key)
				if err != nil {
					t.Fatal(err)
				}
				if string(d.Type) != types[want.Type] || !slices.Equal(d.Shape, want.Shape) {
					t.Errorf("%s of shape %v, want %s of %v", d.Type, d.Shape, want.Type, want.Shape)
				}
				if got := whole(t, d); !slices.Equal(got, want.Values) {
					t.Errorf("%v, want %v", got, want.Values)
				}
			})
		}
	}
}

func TestRefused(t *testing.T) {
	data := fixture(t, "refused.h5")
	f, err := Open("refused.h5", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"unlimited": "no limit", "fletcher": "filter 3", "lzf": "filter 32000", "text": "class 9", "complex": "class 6", "group": "it is a group", "none": `no array "none"; it has ["complex"`,
	} {
		if _, err := f.Dataset(key); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "refused.h5: ") {
			t.Errorf("%s: %v, want %q", key, err, want)
		}
	}
	data = fixture(t, "dense.h5")
	if _, err := Open("dense.h5", bytes.NewReader(data), int64(len(data))); err == nil || !strings.Contains(err.Error(), "fractal heap") {
		t.Error(err)
	}
	if _, err := Open("x", strings.NewReader("abc"), 3); err == nil || !strings.Contains(err.Error(), "no HDF5 file") {
		t.Error(err)
	}
}

// A file that is cut, or of which a byte is another one, is never a panic, and is an
// error where a chunk's checksum tells.
func TestDamaged(t *testing.T) {
	for _, name := range []string{"chunks.h5", "chunks_latest.h5", "types.h5"} {
		data := fixture(t, name)
		for _, n := range []int{0, 8, 60, 100, 600, len(data) / 2, len(data) - 1} {
			readAll(data[:n])
		}
		for i := 0; i < len(data); i += 1 + len(data)/400 {
			changed := bytes.Clone(data)
			changed[i] ^= 0xff
			readAll(changed)
		}
	}
	data := fixture(t, "matlab.h5")
	at := bytes.Index(data, []byte("x^")) // of zlib at level 3
	data[at+20] ^= 1
	if err := readAll(data); err == nil || !strings.Contains(err.Error(), "inflating") {
		t.Error(err)
	}
}

// readAll reads every array of a moderate size.
func readAll(data []byte) error {
	f, err := Open("x.h5", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	var first error
	for _, name := range f.Names() {
		if name == "#refs#" {
			continue // MATLAB's own group
		}
		d, err := f.Dataset(name)
		if err == nil {
			if n, e := volume(d.Shape, 1); e != nil || n > 1<<16 {
				continue
			}
			err = d.Blocks(context.Background(), func(Block) error { return nil })
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func TestCancelled(t *testing.T) {
	data := fixture(t, "chunks.h5")
	f, err := Open("x.h5", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.Dataset("many")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	if err := d.Blocks(ctx, func(Block) error { n++; cancel(); return nil }); err == nil || n != 1 {
		t.Errorf("%d blocks, %v", n, err)
	}
}

func FuzzOpen(f *testing.F) {
	names, err := filepath.Glob("testdata/*.h5")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		f.Add(fixture(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, data []byte) { _ = readAll(data) })
}
