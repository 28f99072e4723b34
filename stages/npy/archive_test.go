package npy

import (
	"archive/zip"
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func archive(t testing.TB, name string) *Archive {
	t.Helper()
	data := fixture(t, name)
	a, err := OpenArchive(name, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestArchives(t *testing.T) {
	plus := ramp(func(x float64) float64 { return x + 5 })
	half := ramp(func(x float64) float64 { return x / 2 })
	for _, c := range []struct {
		file, array string
		names       []string
		typ         Type
		want        []float64
	}{
		{"archive.npz", "a", []string{"a"}, Int64, []float64{-5, -4, -3, -2}},
		{"compressed.npz", "x_train", []string{"x_train", "y_train", "names"}, Uint8, plus},
		{"single.npz", "arr_0", []string{"arr_0"}, Float64, half},
	} {
		a := archive(t, c.file)
		if !slices.Equal(a.Names(), c.names) {
			t.Errorf("%s holds %q", c.file, a.Names())
		}
		m, err := a.Open(c.array)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadAll[float64](m.Reader, 1<<20)
		if err != nil || m.Type != c.typ || !slices.Equal(got, c.want) {
			t.Errorf("%s: %s %v, %v", c.file, m.Type, got, err)
		}
		if err := m.Verify(); err != nil {
			t.Error(err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestArchiveErrors(t *testing.T) {
	a := archive(t, "compressed.npz")
	if _, err := a.Open("x"); err == nil || !strings.Contains(err.Error(), `no array "x"; it holds ["x_train" "y_train" "names"]`) {
		t.Error(err)
	}
	if _, err := a.Open("names"); err == nil || !strings.Contains(err.Error(), "objects") {
		t.Error(err)
	}
	r, err := a.Raw("names")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if h, err := ReadObjectHeader("names", r); err != nil || !slices.Equal(h.Shape, []int{1}) {
		t.Error(h, err)
	}
	if _, err := OpenArchive("x.npz", strings.NewReader("abc"), 3); err == nil || !strings.Contains(err.Error(), "numpy.savez") {
		t.Error(err)
	}
	damaged := bytes.Clone(fixture(t, "single.npz"))
	at := bytes.Index(damaged, []byte("}  ")) + 200
	damaged[at]++ // an element: only the checksum tells
	if a, err = OpenArchive("x.npz", bytes.NewReader(damaged), int64(len(damaged))); err != nil {
		t.Fatal(err)
	}
	m, err := a.Open("arr_0")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	_, err = ReadAll[float64](m.Reader, 1<<20)
	if verify := m.Verify(); err == nil && (verify == nil || !strings.Contains(verify.Error(), "checksum")) {
		t.Error(verify)
	}
}

// A deflated array of 256 MiB is read with little memory.
func TestArchiveStreams(t *testing.T) {
	const rows, width = 1 << 8, 1 << 18
	var file bytes.Buffer
	z := zip.NewWriter(&file)
	w, err := z.Create("x.npy")
	if err != nil {
		t.Fatal(err)
	}
	h := Header{Type: Float32, Shape: []int{rows, width}}
	w.Write(h.Encode())
	row := make([]byte, 4*width)
	for range rows {
		if _, err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	z.Close()
	a, err := OpenArchive("x.npz", bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.Open("x")
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, width)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rows {
		if err := Read(m.Reader, values); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Verify(); err != nil {
		t.Fatal(err)
	}
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 16<<20 {
		t.Errorf("%d bytes were allocated", after.TotalAlloc-before.TotalAlloc)
	}
}

func FuzzArchive(f *testing.F) {
	for _, name := range []string{"archive.npz", "compressed.npz", "single.npz"} {
		f.Add(fixture(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := OpenArchive("x.npz", bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for _, name := range a.Names() {
			m, err := a.Open(name)
			if err != nil {
				continue
			}
			if _, err := ReadAll[float64](m.Reader, 1<<20); err == nil {
				_ = m.Verify()
			}
			m.Close()
		}
	})
}
