package matlab

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
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

func open(data []byte) (*File, error) {
	return Open("x.mat", bytes.NewReader(data), int64(len(data)))
}

// whole puts an array together, the first axis moving fastest, and fails where an
// element is there twice or never.
func whole(t *testing.T, a *Array) []float64 {
	t.Helper()
	n := 1
	for _, k := range a.Shape {
		n *= k
	}
	out, seen := make([]float64, n), make([]bool, n)
	err := a.Blocks(context.Background(), func(b Block) error {
		for i, v := range b.Values {
			place, step := 0, 1
			for axis, side := range b.Shape {
				place += (b.Start[axis] + i%side) * step
				step *= a.Shape[axis]
				i /= side
			}
			if seen[place] {
				t.Errorf("element %d was visited twice", place)
			}
			out[place], seen[place] = v, true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(seen, false) {
		t.Error("an element was never visited")
	}
	return out
}

// What SciPy and h5py read, see testdata/make_fixtures.py.
func TestFixtures(t *testing.T) {
	var expected map[string]map[string]struct {
		Shape  []int
		Values []float64
	}
	if err := json.Unmarshal(fixture(t, "expected.json"), &expected); err != nil {
		t.Fatal(err)
	}
	if len(expected) != 5 {
		t.Fatal(len(expected))
	}
	for name, arrays := range expected {
		f, err := open(fixture(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Names()) != len(arrays) {
			t.Errorf("%s has %q", name, f.Names())
		}
		for key, want := range arrays {
			t.Run(name+" "+key, func(t *testing.T) {
				a, err := f.Array(key)
				if err != nil {
					t.Fatal(err)
				}
				for range 2 { // it can be read again
					if got := whole(t, a); !slices.Equal(a.Shape, want.Shape) || !slices.Equal(got, want.Values) {
						t.Errorf("%v %v, want %v", a.Shape, got, want)
					}
				}
			})
		}
	}
}

func TestRefused(t *testing.T) {
	f, err := open(fixture(t, "others.mat"))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"text": "a text", "complex": "complex", "cell": "a cell array", "struct": "a structure", "sparse": "sparse", "none": `no variable "none"; it has ["text"`,
	} {
		if _, err := f.Array(key); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "x.mat: ") {
			t.Errorf("%s: %v, want %q", key, err, want)
		}
	}
	if a, err := f.Array("fine"); err != nil || whole(t, a)[0] != 1 {
		t.Error(err)
	}
	if _, err := open([]byte("abc")); err == nil || !strings.Contains(err.Error(), "no .mat file") {
		t.Error(err)
	}
	data := fixture(t, "v5.mat")
	for n := 129; n < len(data)-8; n += 8 {
		if f, err := open(data[:n]); err == nil {
			t.Errorf("%d bytes of %d are a file with %q", n, len(data), f.Names())
		}
	}
	packed := fixture(t, "v5_compressed.mat")
	at := bytes.Index(packed, []byte("\x78\x9c"))
	end := at + int(binary.LittleEndian.Uint32(packed[at-4:]))
	packed[end-1]++ // the checksum of the first variable
	if f, err = open(packed); err != nil {
		t.Fatal(err)
	}
	a, err := f.Array(f.Names()[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Blocks(context.Background(), func(Block) error { return nil }); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Error(err)
	}
}

// pattern is an array of zeros behind the tags of a compressed variable.
func pattern(t *testing.T, elements int) []byte {
	t.Helper()
	small := fixture(t, "little.mat")[:headerSize]
	var body bytes.Buffer
	z := zlib.NewWriter(&body)
	le := binary.LittleEndian
	head := le.AppendUint32(nil, typeMatrix)
	head = le.AppendUint32(head, uint32(56+8*elements))
	head = append(head, 6, 0, 0, 0, 8, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 12, 0, 0, 0)
	for _, n := range []int{1024, elements / 1024 / 16, 16, 0} {
		head = le.AppendUint32(head, uint32(n))
	}
	head = append(head, 1, 0, 1, 0, 'x', 0, 0, 0, 9, 0, 0, 0)
	head = le.AppendUint32(head, uint32(8*elements))
	if _, err := z.Write(head); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(z, zeros{}, int64(8*elements)); err != nil {
		t.Fatal(err)
	}
	z.Close()
	small = append(small, typeCompressed, 0, 0, 0)
	small = le.AppendUint32(small, uint32(body.Len()))
	return append(small, body.Bytes()...)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// An array of 256 MiB is read in little memory.
func TestMemory(t *testing.T) {
	const elements = 1 << 25
	data := pattern(t, elements)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := open(data)
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Array("x")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := a.Blocks(context.Background(), func(b Block) error { n += len(b.Values); return nil }); err != nil || n != elements {
		t.Errorf("%d elements, %v", n, err)
	}
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 16<<20 {
		t.Errorf("%d bytes were allocated", after.TotalAlloc-before.TotalAlloc)
	}
}

func FuzzOpen(f *testing.F) {
	names, err := filepath.Glob("testdata/*.mat")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		f.Add(fixture(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := open(data)
		if err != nil {
			return
		}
		for _, name := range file.Names() {
			a, err := file.Array(name)
			if err != nil {
				continue
			}
			if n := 1; !slices.ContainsFunc(a.Shape, func(k int) bool { n *= max(k, 1); return n > 1<<16 }) {
				_ = a.Blocks(context.Background(), func(Block) error { return nil })
			}
		}
	})
}
