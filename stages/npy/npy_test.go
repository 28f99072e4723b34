package npy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/nbpipe/nbpipe/stages/pythontest"
)

// ramp is the array of the fixtures, in C order.
func ramp(f func(x float64) float64) []float64 {
	out := make([]float64, 24)
	for i := range out {
		out[i] = f(float64(i - 5))
	}
	return out
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What NumPy wrote, see testdata/make_fixtures.py.
func TestFixtures(t *testing.T) {
	half := func(x float64) float64 { return x / 2 }
	same := func(x float64) float64 { return x }
	plus := func(x float64) float64 { return x + 5 }
	cube := []int{2, 3, 4}
	cases := map[string]struct {
		Header
		want []float64
	}{
		"i2.npy":             {Header{Type: Int16, Shape: cube}, ramp(same)},
		"i1.npy":             {Header{Type: Int8, Shape: cube}, ramp(same)},
		"u8.npy":             {Header{Type: Uint64, Shape: cube}, ramp(plus)},
		"u4.npy":             {Header{Type: Uint32, Shape: cube, big: true}, ramp(plus)},
		"u2.npy":             {Header{Type: Uint16, Shape: cube}, ramp(plus)},
		"f2.npy":             {Header{Type: Float16, Shape: cube}, ramp(half)},
		"f4.npy":             {Header{Type: Float32, Shape: cube}, ramp(half)},
		"f8_fortran.npy":     {Header{Type: Float64, Shape: cube, Fortran: true}, ramp(half)},
		"f8_big.npy":         {Header{Type: Float64, Shape: cube, big: true}, ramp(half)},
		"i8.npy":             {Header{Type: Int64, Shape: cube}, ramp(same)},
		"i4_big_fortran.npy": {Header{Type: Int32, Shape: cube, Fortran: true, big: true}, ramp(same)},
		"u1.npy":             {Header{Type: Uint8, Shape: cube}, ramp(plus)},
		"bool.npy": {Header{Type: Bool, Shape: cube}, ramp(func(x float64) float64 {
			if x > 0 {
				return 1
			}
			return 0
		})},
		"single.npy":   {Header{Type: Float64, Shape: []int{}}, []float64{2.5}},
		"line.npy":     {Header{Type: Int64, Shape: []int{3}}, []float64{0, 1, 2}},
		"empty.npy":    {Header{Type: Float32, Shape: []int{0, 3}}, nil},
		"version2.npy": {Header{Type: Float32, Shape: cube}, ramp(half)},
		"version3.npy": {Header{Type: Float32, Shape: cube}, ramp(half)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			data := fixture(t, name)
			for _, size := range []int64{UnknownSize, int64(len(data))} {
				r, err := NewReader(name, iotest.OneByteReader(bytes.NewReader(data)), size)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(c.Header, r.Header, cmp.AllowUnexported(Header{})); d != "" {
					t.Error(d)
				}
				got, err := ReadAll[float64](r, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("read %v, want %v", got, c.want)
				}
			}
		})
	}
}

// Files that are refused say what to do.
func TestRefused(t *testing.T) {
	good := fixture(t, "f4.npy")
	header := func(text string) []byte {
		return append([]byte{0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, byte(len(text)), 0}, text...)
	}
	cases := map[string]struct {
		data []byte
		want string
	}{
		"objects":      {fixture(t, "object.npy"), `type "|O"`},
		"text":         {fixture(t, "text.npy"), `type "<U2"`},
		"complex":      {fixture(t, "complex.npy"), `type "<c8"; bool, float16, float32, float64, int16, int32, int64, int8, uint16, uint32, uint64, uint8 can be read: write numbers`},
		"records":      {fixture(t, "record.npy"), `write each field`},
		"archive":      {fixture(t, "archive.npz"), `unpack it, or write each array with numpy.save`},
		"other file":   {[]byte("x,y\n1,2\n"), `it begins with "x,y\n1,2\n"`},
		"no bytes":     {nil, `it begins with ""`},
		"version 9":    {append([]byte("\x93NUMPY\x09\x00"), good[8:]...), "version 9"},
		"cut header":   {good[:40], "ends within its header"},
		"cut length":   {good[:9], "ends within its header"},
		"long header":  {append([]byte("\x93NUMPY\x02\x00\xff\xff\xff\x7f"), good[10:]...), "2147483647 bytes"},
		"no shape":     {header("{'descr': '<f4', 'fortran_order': False, }"), "descr, fortran_order and shape are expected"},
		"twice":        {header("{'descr': '<f4', 'descr': '<f4', }"), "occurs twice"},
		"other key":    {header("{'descr': '<f4', 'code': 1, }"), `unknown key "code"`},
		"negative":     {header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"), "no length of an axis"},
		"overflow":     {header("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999,), }"), "shape of"},
		"open":         {header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,"), "damaged"},
		"open text":    {header("{'descr"), "does not end"},
		"more":         {header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} 1"), "nothing else"},
		"sixty-five":   {header("{'descr': '<f4', 'fortran_order': False, 'shape': (" + strings.Repeat("1,", 65) + ")}"), "65 axes"},
		"cut elements": {good[:len(good)-1], "it ends after 23 of 24 elements"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(c.data, UnknownSize)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "data.npy: ") {
				t.Errorf("the error is %v, want one with %s", err, c.want)
			}
		})
	}
	if _, err := readAll(good[:len(good)-4], int64(len(good)-4)); err == nil || !strings.Contains(err.Error(), "its header promises 224") {
		t.Errorf("a short file: %v", err)
	}
	if _, err := NewReader("x", iotest.ErrReader(os.ErrPermission), UnknownSize); !errors.Is(err, os.ErrPermission) {
		t.Errorf("an unreadable file: %v", err)
	}
}

func readAll(data []byte, size int64) ([]float64, error) {
	r, err := NewReader("data.npy", bytes.NewReader(data), size)
	if err != nil {
		return nil, err
	}
	return ReadAll[float64](r, 1<<20)
}

// A header may promise anything: memory is used for what arrives.
func TestPromises(t *testing.T) {
	h := Header{Type: Float32, Shape: []int{1 << 20, 1 << 20}}
	r, err := NewReader("x.npy", bytes.NewReader(h.Encode()), UnknownSize)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAll[float32](r, math.MaxInt64); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the error is %v", err)
	}
	if _, err := ReadAll[float32](r, 1<<30); err == nil || !strings.Contains(err.Error(), "more than the 1073741824") {
		t.Errorf("the error is %v", err)
	}
}

func TestConversions(t *testing.T) {
	encode := func(typ Type, values ...float64) []byte {
		var b bytes.Buffer
		if err := Write(&b, Header{Type: typ, Shape: []int{len(values)}}, values); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	read := func(data []byte) (ints []int64, floats []float32, errInt, errFloat error) {
		for _, into := range []string{"int64", "float32"} {
			r, err := NewReader("x.npy", bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			if into == "int64" {
				ints, errInt = ReadAll[int64](r, 1<<20)
			} else {
				floats, errFloat = ReadAll[float32](r, 1<<20)
			}
		}
		return
	}
	if i, f, e1, e2 := read(encode(Float64, 0, -3, 1<<53)); e1 != nil || e2 != nil || !slices.Equal(i, []int64{0, -3, 1 << 53}) || !slices.Equal(f, []float32{0, -3, 1 << 53}) {
		t.Error(i, f, e1, e2)
	}
	for _, v := range []float64{.5, math.NaN(), math.Inf(1), 1 << 63, -1e30} {
		_, f, err, e2 := read(encode(Float64, 1, v))
		if err == nil || !strings.Contains(err.Error(), "element 1 of the file is no int64") {
			t.Errorf("%v as an integer: %v", v, err)
		}
		if e2 != nil || len(f) != 2 || (f[1] != float32(v) && !math.IsNaN(v)) {
			t.Errorf("%v as a float32: %v, %v", v, f, e2)
		}
	}
	if _, _, _, err := read(encode(Float64, 1e300)); err == nil {
		t.Error("1e300 became a float32")
	}
	for typ, v := range map[Type]float64{Float32: 1e300, Int64: .5, Int32: 1 << 31, Int16: 1 << 15, Int8: 128, Uint64: -1, Uint32: 1 << 32, Uint16: -1, Uint8: 256, Bool: 2, "": 1} {
		if b, err := Append(nil, typ, []float64{v}); err == nil {
			t.Errorf("%v became a %q: %x", v, typ, b)
		}
	}
	if b, err := Append(nil, Int64, []int64{math.MaxInt64}); err != nil || len(b) != 8 || b[7] != 0x7f || b[0] != 0xff {
		t.Errorf("the largest integer became %x, %v", b, err)
	}
}

// Elements can be had in pieces, and no more of them than there are.
func TestPieces(t *testing.T) {
	const n = 3 * block / 4
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i)
	}
	var b bytes.Buffer
	if err := Write(&b, Header{Type: Float32, Shape: []int{3, block / 4}}, values); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader("x.npy", &b, int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, size := range []int{1, block/4 + 1, 0, n - block/4 - 2} {
		part := make([]float64, size)
		if err := Read(r, part); err != nil {
			t.Fatal(err)
		}
		for i, v := range part {
			if v != float64(at+i) {
				t.Fatalf("element %d is %v", at+i, v)
			}
		}
		at += size
	}
	if err := Read(r, make([]float64, 1)); err == nil || !strings.Contains(err.Error(), "0 are left") {
		t.Errorf("past the end: %v", err)
	}
	if _, err := ReadAll[float64](r, 1<<30); err == nil {
		t.Error("an array was read twice")
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, h := range map[string]Header{"length": {Type: Float32, Shape: []int{3}}, "type": {Type: "complex64", Shape: []int{2}}, "half": {Type: Float16, Shape: []int{2}}, "objects": {Type: object, Shape: []int{2}}, "shape": {Type: Float32, Shape: []int{-1, -2}}} {
		if err := Write(io.Discard, h, []float64{1, 2}); err == nil {
			t.Errorf("%s: %+v was written", name, h)
		}
	}
}

// NumPy reads what is written here.
func TestNumPyReads(t *testing.T) {
	python := pythontest.Find(t, "numpy")
	for _, typ := range []Type{Float32, Float64, Int64, Int32, Int16, Int8, Uint64, Uint32, Uint16, Uint8, Bool} {
		for _, shape := range [][]int{{}, {6}, {2, 3}, {1, 2, 3}, {0, 4}} {
			for _, fortran := range []bool{false, true} {
				if typ != Float32 && (fortran || len(shape) != 2) {
					continue
				}
				h := Header{Type: typ, Shape: shape, Fortran: fortran}
				values := []float64{1, 0, 1, 1, 0, 0}[:h.Count()]
				path := filepath.Join(t.TempDir(), "x.npy")
				var b bytes.Buffer
				if err := Write(&b, h, values); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
				out, err := exec.Command(python, "testdata/make_fixtures.py", "show", path).Output()
				if err != nil {
					t.Fatalf("%+v: %v", h, err)
				}
				var got struct {
					Dtype  string
					Shape  []int
					Values []float64
				}
				if err := json.Unmarshal(out, &got); err != nil {
					t.Fatal(err)
				}
				back, err := readAll(b.Bytes(), int64(b.Len()))
				if err != nil {
					t.Fatal(err)
				}
				if got.Dtype != string(typ) || fmt.Sprint(got.Shape) != fmt.Sprint(shape) || !slices.Equal(got.Values, back) {
					t.Errorf("%+v: NumPy reads %+v, and this package %v", h, got, back)
				}
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.np*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		f.Add(fixture(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := NewReader("x.npy", bytes.NewReader(data), UnknownSize)
		if err != nil {
			return
		}
		got, err := ReadAll[float64](r, 1<<20)
		if err != nil {
			return
		}
		// What can be read can be written, and read again.
		var b bytes.Buffer
		if err := Write(&b, Header{Type: Float64, Shape: r.Shape}, got); err != nil {
			t.Fatal(err)
		}
		again, err := readAll(b.Bytes(), int64(b.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got, again, func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }) {
			t.Error("values changed")
		}
	})
}
