package table

import (
	"bytes"
	"compress/gzip"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nbpipe/nbpipe/stages/nas"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func read(t testing.TB, name string, opts Options) *Table {
	t.Helper()
	tab, err := Read(name, fixture(t, name), opts)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// sameTable compares names, kinds and values, not units and sources.
func sameTable(t *testing.T, got *Table, want ...Column) {
	t.Helper()
	ignore := cmpopts.IgnoreFields(Column{}, "Unit", "Source")
	if d := cmp.Diff(want, got.Columns, ignore, cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
}

var nan = math.NaN()

func cells(indices ...int) []string {
	out := make([]string, len(indices))
	for i, n := range indices {
		out[i] = nas.At(n).String()
	}
	return out
}

func TestReadCSV(t *testing.T) {
	sameTable(t, read(t, "cells.csv", Options{}),
		IntColumn("architecture", []int64{0, 1, 11}),
		StringColumn("cell", cells(0, 1, 11)),
		FloatColumn("acc", []float64{50.5, nan, 73}),
		IntColumn("seed", []int64{0, 1, 2}),
		Column{Name: "ok", Kind: Bool, Bools: []bool{true, false, false}, Valid: []bool{true, true, false}},
		StringColumn("label", []string{"a \"0\", b\nc", "a \"1\", b\nc", "a \"2\", b\nc"}),
		FloatColumn("blank", []float64{nan, nan, nan}))
}

func TestCSVKinds(t *testing.T) {
	cases := []struct {
		name, values string
		want         Kind
	}{
		{"integers", "1\n-2\n9223372036854775807", Int64},
		{"too large for int64", "1\n9223372036854775808", Float64},
		{"numbers", "1\n2.5e-3\nnan\n-inf", Float64},
		{"out of range is infinite", "1e999", Float64},
		{"labels with zeros", "007\n8", String},
		{"hexadecimal", "0x10", String},
		{"underscore", "1_000", String},
		{"truth values", "true\nFALSE", Bool},
		{"mixed", "true\n1", String},
		{"spaces", " 1\n2", String},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tab, err := ReadCSV("x.csv", []byte("v\n"+c.values+"\n"), Options{})
			if err != nil || tab.Columns[0].Kind != c.want {
				t.Errorf("got %v, %v", tab, err)
			}
		})
	}
}

func TestCSVErrors(t *testing.T) {
	cases := []struct {
		name, text string
		opts       Options
		want       []string
	}{
		{"empty", "", Options{}, []string{"x.csv", "empty"}},
		{"too few values", "a,b\n1,2\n3\n", Options{}, []string{"row 2", "line 3", "1 values for 2 columns", `"3"`}},
		{"open quote", "a,b\n1,\"2\n", Options{}, []string{"row 1"}},
		{"same name", "a,a\n1,2\n", Options{}, []string{`two columns are named "a"`}},
		{"no name", "a,\n1,2\n", Options{}, []string{"column 2 has no name"}},
		{"not a number", "a\n1\nabc\n", Options{Kinds: map[string]Kind{"a": Float64}}, []string{"row 2", `column "a"`, `"abc" is not a number`}},
		{"not an integer", "a\n1\n\"\"\n", Options{Kinds: map[string]Kind{"a": Int64}}, []string{"row 2", `"" is not an integer`}},
		{"kind of no column", "abc\n1\n", Options{Kinds: map[string]Kind{"abd": Int64}}, []string{`did you mean "abc"`}},
		{"too many rows", "a\n1\n2\n3\n", Options{Limits: Limits{MaxRows: 2}}, []string{"more than the 2 rows"}},
		{"too many bytes", "a\n1\n2\n3\n", Options{Limits: Limits{MaxBytes: 3}}, []string{"more than the 3 bytes"}},
		{"damaged cell", "cell\n" + cells(0)[0] + "\n|x~0|\n", Options{}, []string{`column "cell", row 2`, `"x"`}},
		{"other order", "arch,cell\n0," + cells(1)[0] + "\n", Options{}, []string{"row 1", "arch is 0", "number 1", "another order"}},
		{"index out of range", "a\n15625\n", Options{Index: "a"}, []string{`column "a", row 1`, "15625"}},
		{"index of no column", "abc\n1\n", Options{Index: "abd"}, []string{`did you mean "abc"`}},
		{"column of no name", "abc\n1\n", Options{Columns: []string{"abd"}}, []string{`did you mean "abc"`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read("x.csv", []byte(c.text), c.opts)
			wantError(t, err, c.want...)
		})
	}
}

func TestArchitectureConvention(t *testing.T) {
	two := cells(3, 4)
	cases := []struct {
		name, text string
		opts       Options
		want       []string
	}{
		{"index by name", "x,arch_idx\n1,3\n", Options{}, []string{"architecture", "x"}},
		{"index by option", "x,n\n1,3\n", Options{Index: "n"}, []string{"architecture", "x"}},
		{"cells", "x,c\n1," + two[0] + "\n2," + two[1] + "\n", Options{}, []string{"architecture", "x", "c"}},
		{"both", "arch,c\n3," + two[0] + "\n", Options{}, []string{"architecture", "c"}},
		{"neither", "x\n1\n", Options{}, []string{"x"}},
		{"numbers of another space", "arch\n40000\n", Options{}, []string{"arch"}},
		{"pandas' row labels", ",x\n0,5\n", Options{}, []string{"Unnamed: 0", "x"}},
		{"some columns", "arch,x,y\n3,5,6\n", Options{Columns: []string{"y"}}, []string{"architecture", "y"}},
		{"byte order mark", "\ufeffx\n1\n", Options{}, []string{"x"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tab, err := Read("x.csv", []byte(c.text), c.opts)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, tab.Names()); d != "" {
				t.Error(d)
			}
			if tab.Columns[0].Name == Architecture && tab.Columns[0].Int64s[0] != 3 {
				t.Errorf("architecture is %v", tab.Columns[0].Int64s)
			}
		})
	}
}

func TestReadSniffs(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte("x\n1\n"))
	z.Close()
	for name, data := range map[string][]byte{
		"plain":     []byte("x\n1\n"),
		"x.csv.gz":  zipped.Bytes(),
		"a table":   encoded(t, &Table{Rows: 1, Columns: []Column{IntColumn("x", []int64{1})}}),
		"dict.data": []byte("\x80\x04}\x8c\x01x]K\x01as."),
		"old.pkl":   []byte("(dS'x'\n(lI1\nas."),
	} {
		tab, err := Read(name, data, Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if x, err := tab.Int64s("x"); err != nil || len(x) != 1 || x[0] != 1 {
			t.Errorf("%s: %v, %v", name, x, err)
		}
	}
	_, err := Read("x.xlsx", []byte("PK\x03\x04"), Options{})
	wantError(t, err, "x.xlsx", "unknown format")
	_, err = Read("bomb.csv.gz", zipped.Bytes(), Options{Limits: Limits{MaxBytes: 3}})
	wantError(t, err, "more than the 3 bytes")
	_, err = Read("cut.csv.gz", zipped.Bytes()[:12], Options{})
	wantError(t, err, "cut.csv.gz", "gzip")
}

func FuzzCSV(f *testing.F) {
	f.Add(fixture(f, "cells.csv"))
	f.Add([]byte("a,b\n1,\n\"x\"\"\",nan\n"))
	f.Add([]byte(strings.Repeat(",", 50)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if tab, err := ReadCSV("x.csv", data, Options{}); err == nil {
			encoded(t, tab)
		}
	})
}
