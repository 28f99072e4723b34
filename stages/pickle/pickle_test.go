package pickle

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/nbpipe/nbpipe/stages/npy"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tree is a value as testdata/make_fixtures.py writes it.
func tree(t *testing.T, v any) any {
	t.Helper()
	switch x := v.(type) {
	case nil, bool, string:
		return x
	case int64, *big.Int:
		return map[string]any{"int": fmt.Sprint(x)}
	case float64:
		return map[string]any{"float": hex.EncodeToString(binary.BigEndian.AppendUint64(nil, math.Float64bits(x)))}
	case *Bytes:
		raw, err := x.All(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		if x.Text {
			return string(raw)
		}
		return map[string]any{"bytes": hex.EncodeToString(raw)}
	case *List:
		return trees(t, x.Items)
	case Tuple:
		return map[string]any{"tuple": trees(t, x)}
	case *Set:
		items := trees(t, x.Items)
		slices.SortFunc(items, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return map[string]any{"set": items}
	case *Dict:
		entries := []any{}
		for _, e := range x.Entries {
			entries = append(entries, []any{tree(t, e.Key), tree(t, e.Value)})
		}
		return map[string]any{"dict": entries}
	case *Array:
		return arrayTree(t, x)
	}
	t.Fatalf("a value of type %T", v)
	return nil
}

func trees(t *testing.T, items []any) []any {
	out := []any{}
	for _, item := range items {
		out = append(out, tree(t, item))
	}
	return out
}

func arrayTree(t *testing.T, a *Array) any {
	shape := []any{}
	for _, n := range a.Shape {
		shape = append(shape, float64(n))
	}
	values := []any{}
	elements, err := a.Elements()
	if err != nil {
		t.Fatal(err)
	}
	for i := range elements {
		v := elements[storage(i, a)]
		if b, ok := v.(string); ok && a.Code == 'S' {
			v = &Bytes{held: []byte(b), size: int64(len(b))}
		}
		values = append(values, tree(t, v))
	}
	return map[string]any{"array": fmt.Sprintf("%c%d", a.Code, a.Size), "shape": shape, "values": values}
}

// storage is where element i in C order is stored.
func storage(i int, a *Array) int {
	if !a.Fortran {
		return i
	}
	at, step := 0, 1
	for _, n := range a.Shape {
		step *= n
	}
	for k := len(a.Shape) - 1; k >= 0; k-- {
		step /= a.Shape[k]
		at += i % a.Shape[k] * step
		i /= a.Shape[k]
	}
	return at
}

// spill is a file in memory.
type spill struct{ bytes.Buffer }

func (s *spill) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(s.Bytes()).ReadAt(p, at)
}

// What Python reads, each held in memory, laid aside, and left in its file.
func TestFixtures(t *testing.T) {
	var expected map[string]any
	if err := json.Unmarshal(fixture(t, "expected.json"), &expected); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("testdata/*.pickle")
	if err != nil || len(names) != 15 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		name = filepath.Base(name)
		data := fixture(t, name)
		group, _, _ := strings.Cut(name, "_")
		padded := append([]byte("before"), data...)
		for how, read := range map[string]func() (any, error){
			"held":  func() (any, error) { return Decode(iotest.HalfReader(bytes.NewReader(data)), Options{}) },
			"aside": func() (any, error) { return Decode(bytes.NewReader(data), Options{Spill: NewSpill(&spill{})}) },
			"left":  func() (any, error) { return DecodeAt(bytes.NewReader(padded), 6, int64(len(data)), Options{}) },
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				v, err := read()
				if err != nil {
					t.Fatal(err)
				}
				if got := tree(t, v); !reflect.DeepEqual(got, expected[group]) {
					t.Error(cmp.Diff(expected[group], got))
				}
			})
		}
	}
}

func TestNumbers(t *testing.T) {
	v, err := Decode(bytes.NewReader(fixture(t, "arrays_p2.pickle")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := v.(*Dict)
	for _, c := range []struct {
		key  string
		typ  npy.Type
		want float64 // of element 23
	}{{">f8", npy.Float64, 11.5}, {"<f2", npy.Float16, 11.5}, {">i4", npy.Int32, 23}, {"<u8", npy.Uint64, 23}, {"fortran", npy.Float64, 23}, {"bool", npy.Bool, 1}} {
		a, _ := d.Get(c.key)
		r, err := a.(*Array).Numbers(c.key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := npy.ReadAll[float64](r, 1<<20)
		if err != nil || r.Type != c.typ || !slices.Equal(r.Shape, []int{2, 3, 4}) || got[23] != c.want {
			t.Errorf("%s: %v %v, %v", c.key, r.Header, got, err)
		}
	}
	for _, key := range []string{"text", "objects"} {
		a, _ := d.Get(key)
		if _, err := a.(*Array).Numbers(key); err == nil || !strings.Contains(err.Error(), "no numbers") {
			t.Error(err)
		}
	}
}

func TestDecodeNpy(t *testing.T) {
	data := fixture(t, "dict.npy")
	for range 2 {
		a, err := DecodeNpy("dict.npy", bytes.NewReader(data), Options{})
		at, err2 := DecodeNpyAt("dict.npy", bytes.NewReader(data), int64(len(data)), Options{})
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		var expected map[string]any
		if err := json.Unmarshal(fixture(t, "expected.json"), &expected); err != nil {
			t.Fatal(err)
		}
		for _, a := range []*Array{a, at} {
			if d := cmp.Diff(expected["dict"], tree(t, a.Objects[0])); d != "" || len(a.Shape) != 0 {
				t.Error(a.Shape, d)
			}
		}
	}
	if _, err := DecodeNpy("x.npy", bytes.NewReader(npy.Header{Type: npy.Float32, Shape: []int{1}}.Encode()), Options{}); err == nil || !strings.Contains(err.Error(), "objects are expected") {
		t.Error(err)
	}
}

// Each would make a trusting reader run code, allocate gigabytes, loop or panic.
func TestHostile(t *testing.T) {
	call := "cnumpy.core.multiarray\n_reconstruct\n)R"
	for name, c := range map[string]struct{ data, want string }{
		"nothing":          {"", "ends early"},
		"no end":           {"\x80\x04N", "ends early"},
		"protocol":         {"\x80\x06N.", "protocol 6"},
		"persistent id":    {"\x80\x04NQ.", "0x51 is not allowed"},
		"extension":        {"\x80\x04\x82\x01.", "0x82 is not allowed"},
		"buffer":           {"\x80\x05\x97.", "0x97 is not allowed"},
		"system":           {"cos\nsystem\n(S'x'\ntR.", `names "os.system", which is not allowed`},
		"eval":             {"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", `"builtins.eval"`},
		"instance":         {"(S'x'\nios\nsystem\n.", `"os.system"`},
		"names":            {"\x80\x04K\x01K\x01\x93.", "not named by texts"},
		"call of a value":  {"\x80\x04K\x01)R.", "nothing to call"},
		"arguments":        {"c__builtin__\nset\nK\x01R.", "not a tuple"},
		"named arguments":  {"\x80\x04c__builtin__\nset\n)}(K\x01K\x02u\x92.", "named arguments"},
		"no callee":        {"(o.", "without a callee"},
		"state of a list":  {"]Nb.", "takes no state"},
		"empty stack":      {"a.", "the stack is empty"},
		"across a mark":    {"N(.", "the stack is empty"},
		"no mark":          {"Nt.", "no mark"},
		"append to None":   {"NK\x01a.", "None is no list"},
		"item of a list":   {"]K\x01K\x01s.", "a list is no dict"},
		"add to a list":    {"](K\x01\x90.", "a list is no set"},
		"odd dict":         {"(K\x01d.", "a key without a value"},
		"a list as a key":  {"}]K\x01s.", "a list cannot be"},
		"unknown memo":     {"h\x05.", "number 5 was not memorised"},
		"memo line":        {"g-1\n.", "is no number"},
		"integer":          {"I12x\n.", "is no integer"},
		"float":            {"Fx\n.", "is no number"},
		"long integer":     {"\x8b\x01\x04\x00\x00" + strings.Repeat("1", 1025) + ".", "1025 bytes"},
		"long line":        {"L" + strings.Repeat("1", 2000) + "\n.", "2000 digits"},
		"string":           {"Sx\n.", "without quotes"},
		"escape":           {"S'\\9'\n.", "an escape"},
		"cut escape":       {"V\\u12\n.", "ends within an escape"},
		"no character":     {"V\\U00ffffff\n.", "an escape"},
		"huge bytes":       {"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", "a value of"},
		"missing bytes":    {"\x8e\x00\x00\x00\x00\x00\x00\x10\x00.", "ends early"},
		"missing text":     {"X\xff\xff\xff\xff.", "ends early"},
		"array":            {call + "K\x01b.", "unexpected state"},
		"array of nothing": {call + "(K\x01)NI00\nC\x00tb.", "no dtype"},
		"dtype":            {"cnumpy\ndtype\n(S'V16'\ntR.", `dtype "V16"`},
		"dtype of fields":  {"cnumpy\ndtype\n(]tR.", "structured"},
		"shape":            {call + "(K\x01(J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7ftcnumpy\ndtype\n(S'f8'\ntRI00\nC\x00tb.", "too large"},
		"short data":       {call + "(K\x01(K\x02tcnumpy\ndtype\n(S'f8'\ntRI00\nC\x01xtb.", "2 elements of 8 bytes in 1 bytes"},
		"short objects":    {call + "(K\x01(K\x02tcnumpy\ndtype\n(S'O8'\ntRI00\n]tb.", "2 elements in a list of 0"},
		"no Latin-1":       {"c_codecs\nencode\n(V\\u0100\nS'latin1'\ntR.", "not Latin-1"},
		"other codec":      {"c_codecs\nencode\n(Va\nS'rot13'\ntR.", "unexpected arguments"},
		"dict of ints":     {"c__builtin__\ndict\n((K\x01ttR.", "something else than pairs"},
		"many values":      {strings.Repeat("N", 100_000) + ".", "more than the 1048576 bytes"},
		"many marks":       {strings.Repeat("(", 100_000) + ".", "more than the 1048576 bytes"},
		"copies of a dict": {"c__builtin__\ndict\nq\x000(" + strings.Repeat("K\x01K\x02\x86", 1000) + "lq\x010" + strings.Repeat("h\x00h\x01\x85R", 1000) + ".", "more than the 1048576 bytes"},
		"copies of a text": {"c_codecs\nencode\nq\x000X\x00\x10\x00\x00" + strings.Repeat("a", 4096) + "q\x01(h\x01S'latin1'\ntq\x02" + strings.Repeat("h\x00h\x02R", 1000) + ".", "more than the 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, opts := range []Options{{MaxBytes: 1 << 20}, {MaxBytes: 1 << 20, Spill: NewSpill(&spill{})}} {
				v, err := Decode(strings.NewReader(c.data), opts)
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, %v; want %q", v, err, c.want)
				}
			}
		})
	}
	if _, err := Decode(strings.NewReader("NNNN."), Options{MaxOps: 3}); err == nil || !strings.Contains(err.Error(), "more than the 3 instructions") {
		t.Error(err)
	}
}

// zeros are n bytes after a start, and then an end.
type zeros struct {
	start, end string
	n          int64
}

func (z *zeros) Read(p []byte) (int, error) {
	switch {
	case z.start != "":
		n := copy(p, z.start)
		z.start = z.start[n:]
		return n, nil
	case z.n > 0:
		n := min(z.n, int64(len(p)))
		clear(p[:n])
		z.n -= n
		return int(n), nil
	}
	return strings.NewReader(z.end).Read(p)
}

// An array of 256 MiB in a stream is laid aside, and not held.
func TestMemory(t *testing.T) {
	const side = 1 << 14
	start := "\x80\x04}\x8c\x06images" + "cnumpy.core.multiarray\n_reconstruct\n)R(K\x01(J\x00\x40\x00\x00J\x00\x40\x00\x00tcnumpy\ndtype\n\x8c\x02u1\x85R\x89" +
		"\x8e\x00\x00\x00\x10\x00\x00\x00\x00"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := os.Create(filepath.Join(t.TempDir(), "spill"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := Decode(&zeros{start: start, n: side * side, end: "tbs."}, Options{Spill: NewSpill(f), MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := v.(*Dict).Get("images")
	r, err := a.(*Array).Numbers("images")
	if err != nil {
		t.Fatal(err)
	}
	row := make([]float32, side)
	for range side {
		if err := npy.Read(r, row); err != nil {
			t.Fatal(err)
		}
	}
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 8<<20 {
		t.Errorf("%d bytes were allocated", after.TotalAlloc-before.TotalAlloc)
	}
	if info, err := f.Stat(); err != nil || info.Size() != side*side {
		t.Error(info.Size(), err)
	}
}

func FuzzDecode(f *testing.F) {
	names, err := filepath.Glob("testdata/*.pickle")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		f.Add(fixture(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		opts := Options{MaxBytes: 1 << 20, MaxOps: 100_000}
		held, err1 := Decode(bytes.NewReader(data), opts)
		opts.Spill = NewSpill(&spill{})
		_, err2 := Decode(bytes.NewReader(data), opts)
		_, err3 := DecodeAt(bytes.NewReader(data), 0, int64(len(data)), opts)
		if err1 == nil && (err2 != nil || err3 != nil) {
			t.Errorf("held: %v; aside: %v; left: %v", err1, err2, err3)
		}
		visit(held, 20)
	})
}

// visit asks everything for its content.
func visit(v any, depth int) {
	if depth == 0 {
		return
	}
	_ = Describe(v)
	switch x := v.(type) {
	case *Bytes:
		_, _ = x.All(1 << 20)
	case *Array:
		_, _ = x.Elements()
		if r, err := x.Numbers("x"); err == nil {
			_, _ = npy.ReadAll[float64](r, 1<<20)
		}
	case *Dict:
		for _, e := range x.Entries[:min(10, len(x.Entries))] {
			visit(e.Value, depth-1)
		}
	}
	if items, ok := Sequence(v); ok {
		for _, item := range items[:min(10, len(items))] {
			visit(item, depth-5)
		}
	}
}
