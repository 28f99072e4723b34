package table

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sample has every kind, missing values and both storages of strings.
func sample() *Table {
	t := &Table{Rows: 5, Notes: []string{"made by hand <&>"}, Columns: []Column{
		{Name: "architecture", Kind: Int64, Int64s: []int64{0, 1, 2, -3, math.MaxInt64}},
		{Name: "accuracy", Unit: "%", Source: "acc", Kind: Float64, Float64s: []float64{1.5, math.NaN(), math.Inf(-1), math.Copysign(0, -1), 5e-324}},
		{Name: "task", Kind: String, Strings: []string{strings.Repeat("x", 30), strings.Repeat("x", 30), strings.Repeat("y", 30), strings.Repeat("x", 30), ""}, Valid: []bool{true, true, true, true, false}},
		{Name: "label", Kind: String, Strings: []string{"a", "", "\xff\x00", "d", "e"}},
		{Name: "ok", Kind: Bool, Bools: []bool{true, false, false, true, true}, Valid: []bool{true, false, true, true, true}},
	}}
	return t
}

func encoded(t testing.TB, tab *Table) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tab.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEncodeThenDecode(t *testing.T) {
	cases := map[string]*Table{
		"sample":  sample(),
		"empty":   {},
		"no rows": {Columns: []Column{FloatColumn("x", nil), StringColumn("s", nil), BoolColumn("b", nil), IntColumn("i", nil)}},
	}
	for name, tab := range cases {
		t.Run(name, func(t *testing.T) {
			data := encoded(t, tab)
			if len(data)%8 != 0 {
				t.Errorf("%d bytes are not aligned", len(data))
			}
			got, err := Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tab, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); d != "" {
				t.Error(d)
			}
			if again := encoded(t, got); !bytes.Equal(again, data) {
				t.Error("encoding again gives other bytes")
			}
		})
	}
}

func TestEncodeIsDeterministic(t *testing.T) {
	a, b := sample(), sample()
	b.Columns[1].Float64s[1] = math.Float64frombits(0x7ff8dead00000001) // another NaN
	b.Columns[3].Valid = []bool{true, true, true, true, true}           // says nothing
	if !bytes.Equal(encoded(t, a), encoded(t, b)) {
		t.Error("equal tables have other bytes")
	}
}

func TestDictionaryPays(t *testing.T) {
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprintf("device %d", i%300) // two bytes a code
	}
	data := encoded(t, &Table{Rows: len(many), Columns: []Column{StringColumn("device", many)}})
	if len(data) > 30_000 {
		t.Errorf("%d bytes", len(data))
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(many, got.Columns[0].Strings); d != "" {
		t.Error(d)
	}
}

func TestEncodeRefusesInvalidTables(t *testing.T) {
	cases := map[string]struct {
		change func(*Table)
		want   string
	}{
		"no name":        {func(t *Table) { t.Columns[0].Name = "" }, "column 1 has no name"},
		"same name":      {func(t *Table) { t.Columns[1].Name = "task" }, `two columns are named "task"`},
		"length":         {func(t *Table) { t.Rows = 6 }, "it has 5 values, the table 6 rows"},
		"kind":           {func(t *Table) { t.Columns[0].Kind = "int" }, `unknown kind "int"`},
		"two slices":     {func(t *Table) { t.Columns[0].Bools = make([]bool, 5) }, "has bool values"},
		"validity":       {func(t *Table) { t.Columns[0].Valid = make([]bool, 4) }, "does not fit"},
		"name not UTF-8": {func(t *Table) { t.Columns[0].Name = "\xff" }, "not UTF-8"},
		"rows only":      {func(t *Table) { t.Columns = nil }, "5 rows without columns"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			tab := sample()
			c.change(tab)
			if err := tab.Encode(&bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// forge puts a header before data.
func forge(header string, data ...byte) []byte {
	for len(header)%8 != 0 {
		header += " "
	}
	out := binary.LittleEndian.AppendUint32([]byte(magic), version)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(header)))
	return append(append(out, header...), data...)
}

func TestDecodeErrors(t *testing.T) {
	good := encoded(t, sample())
	eight := make([]byte, 8)
	cases := map[string]struct {
		data []byte
		want string
	}{
		"empty":             {nil, "does not start"},
		"other file":        {[]byte("PAR1PAR1PAR1PAR1PAR1"), "does not start"},
		"version":           {append([]byte(magic), 9, 0, 0, 0, 0, 0, 0, 0), "version 9"},
		"truncated":         {good[:len(good)-8], "left"},
		"trailing":          {append(bytes.Clone(good), eight...), "8 bytes follow"},
		"huge header":       {append([]byte(magic), 1, 0, 0, 0, 255, 255, 255, 127), "a header of"},
		"header no JSON":    {forge("{"), "its header"},
		"unknown field":     {forge(`{"rows":0,"columns":[],"x":1}`), "unknown field"},
		"huge rows":         {forge(`{"rows":1152921504606846976,"columns":[{"name":"x","type":"float64"}]}`, eight...), "do not fit"},
		"negative rows":     {forge(`{"rows":-1,"columns":[]}`), "do not fit"},
		"rows, no columns":  {forge(`{"rows":8,"columns":[]}`, eight...), "8 bytes follow"},
		"too few bytes":     {forge(`{"rows":2,"columns":[{"name":"x","type":"int64"}]}`, eight...), "2 values of 8 bytes"},
		"bool":              {forge(`{"rows":1,"columns":[{"name":"x","type":"bool"}]}`, 2, 0, 0, 0, 0, 0, 0, 0), "row 1 is 2"},
		"padding":           {forge(`{"rows":1,"columns":[{"name":"x","type":"bool"}]}`, 1, 1, 0, 0, 0, 0, 0, 0), "padding"},
		"type":              {forge(`{"rows":1,"columns":[{"name":"x","type":"date"}]}`, eight...), `unknown type "date"`},
		"float dictionary":  {forge(`{"rows":1,"columns":[{"name":"x","type":"float64","dictionary":1}]}`, eight...), "no dictionary"},
		"missing in floats": {forge(`{"rows":1,"columns":[{"name":"x","type":"float64","missing":true}]}`, append(bytes.Clone(eight), eight...)...), "does not fit"},
		"string bounds":     {forge(`{"rows":1,"columns":[{"name":"x","type":"string"}]}`, 9, 0, 0, 0, 1, 0, 0, 0, 'a', 0, 0, 0, 0, 0, 0, 0), "bounds 9 and 1"},
		"dictionary code":   {forge(`{"rows":1,"columns":[{"name":"x","type":"string","dictionary":1}]}`, 0, 0, 0, 0, 1, 0, 0, 0, 'a', 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0), "entry 7 of a dictionary of 1"},
		"huge dictionary":   {forge(`{"rows":1,"columns":[{"name":"x","type":"string","dictionary":9223372036854775807}]}`, eight...), "do not fit"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := Decode(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestDecodeSurvivesEveryFlippedByte: an error or a valid table, never a panic.
func TestDecodeSurvivesEveryFlippedByte(t *testing.T) {
	good := encoded(t, sample())
	for i := range good {
		for _, flip := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(good)
			bad[i] ^= flip
			if tab, err := Decode(bad); err == nil && tab.Validate() != nil {
				t.Fatalf("byte %d ^ %d: an invalid table", i, flip)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encoded(f, sample()))
	f.Add(encoded(f, &Table{}))
	f.Add(forge(`{"rows":1,"columns":[{"name":"x","type":"bool"}]}`, 1, 0, 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		tab, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Decode(encoded(t, tab))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tab, again, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); d != "" {
			t.Error(d)
		}
	})
}

// benchmarkTable is the space with 20 columns, two of them text.
func benchmarkTable() *Table {
	const rows = 15625
	t := &Table{Rows: rows}
	for j := range 18 {
		v := make([]float64, rows)
		for i := range v {
			v[i] = float64(i*j) / 7
		}
		t.Columns = append(t.Columns, FloatColumn(fmt.Sprintf("c%d", j), v))
	}
	cells, devices := make([]string, rows), make([]string, rows)
	for i := range cells {
		cells[i], devices[i] = fmt.Sprintf("%090d", i), fmt.Sprintf("device %d", i%6)
	}
	t.Columns = append(t.Columns, StringColumn("cell", cells), StringColumn("device", devices))
	return t
}

func BenchmarkDecode(b *testing.B) {
	data := encoded(b, benchmarkTable())
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	t := benchmarkTable()
	for b.Loop() {
		encoded(b, t)
	}
}
