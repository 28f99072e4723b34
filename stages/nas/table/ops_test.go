package table

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nbpipe/nbpipe/stages/nas"
)

func measurements() *Table {
	t, err := New(
		IntColumn("architecture", []int64{0, 0, 1, 1}),
		StringColumn("task", []string{"cifar100", "ninapro", "cifar100", "ninapro"}),
		FloatColumn("latency", []float64{1.5, 2.5, math.NaN(), 4.5}),
		BoolColumn("ok", []bool{true, true, false, true}),
	)
	if err != nil {
		panic(err)
	}
	return t
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q lacks %q", err, p)
		}
	}
}

func TestSelect(t *testing.T) {
	got, err := measurements().Select(map[string]string{"ms": "latency", "dataset": "task"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"architecture", "dataset", "ms"}, got.Names()); d != "" {
		t.Error(d)
	}
	if c, _ := got.Column("ms"); c.Source != "latency" || c.Float64s[1] != 2.5 {
		t.Errorf("got %+v", c)
	}
	same, err := measurements().Select(map[string]string{"architecture": "architecture", "task": "task"})
	if err != nil || len(same.Columns) != 2 {
		t.Errorf("got %v, %v", same, err)
	}
	_, err = measurements().Select(map[string]string{"ms": "latencey"})
	wantError(t, err, `selecting column "ms"`, `no column "latencey"`, `did you mean "latency"?`, "architecture, task, latency, ok")
	_, err = measurements().Select(map[string]string{"architecture": "task"})
	wantError(t, err, "cannot be replaced")
}

func TestWithUnits(t *testing.T) {
	tab := measurements()
	got, err := tab.WithUnits(map[string]string{"latency": "ms"})
	if err != nil || got.Columns[2].Unit != "ms" || tab.Columns[2].Unit != "" {
		t.Errorf("got %v, %v; the operand has %q", got, err, tab.Columns[2].Unit)
	}
	_, err = tab.WithUnits(map[string]string{"x": "ms"})
	wantError(t, err, `no column "x"`)
}

func TestFilter(t *testing.T) {
	cases := []struct {
		name    string
		where   map[string]any
		kept    []float64
		removed int
	}{
		{"text", map[string]any{"task": "ninapro"}, []float64{2.5, 4.5}, 2},
		{"two columns", map[string]any{"task": "ninapro", "architecture": 1}, []float64{4.5}, 3},
		{"list", map[string]any{"latency": []any{1.5, 4.5}}, []float64{1.5, 4.5}, 2},
		{"whole number as float", map[string]any{"architecture": 0.0}, []float64{1.5, 2.5}, 2},
		{"truth value", map[string]any{"ok": true}, []float64{1.5, 2.5, 4.5}, 1},
		{"nothing", nil, []float64{1.5, 2.5, math.NaN(), 4.5}, 0},
		{"no row has both", map[string]any{"ok": false, "task": "ninapro"}, []float64{}, 4},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, removed, err := measurements().Filter(c.where)
			if err != nil {
				t.Fatal(err)
			}
			ms, _ := got.Float64s("latency")
			if removed != c.removed || len(ms) != len(c.kept) || got.Rows != len(c.kept) {
				t.Fatalf("kept %v, removed %d", ms, removed)
			}
			for i := range ms {
				if ms[i] != c.kept[i] && !math.IsNaN(c.kept[i]) {
					t.Errorf("kept %v", ms)
				}
			}
		})
	}
}

func TestFilterErrors(t *testing.T) {
	_, _, err := measurements().Filter(map[string]any{"tsk": "ninapro"})
	wantError(t, err, `no column "tsk"`, `did you mean "task"`)
	_, _, err = measurements().Filter(map[string]any{"task": "ninaprp"})
	wantError(t, err, `no row has task = "ninaprp"`, `did you mean "ninapro"`, "cifar100")
	_, _, err = measurements().Filter(map[string]any{"architecture": 1.5})
	wantError(t, err, "holds int64 values and cannot equal 1.5")
	_, _, err = measurements().Filter(map[string]any{"task": []any{"ninapro", true}})
	wantError(t, err, "holds string values and cannot equal true")
	_, _, err = measurements().Filter(map[string]any{"architecture": 7})
	wantError(t, err, "no row has architecture = 7", "0, 1")
	_, _, err = measurements().Filter(map[string]any{"latency": math.NaN()})
	wantError(t, err, "no row has latency")
}

func TestJoin(t *testing.T) {
	left, _ := New(IntColumn("architecture", []int64{2, 0, 1}), FloatColumn("a", []float64{20, 0, 10}))
	right, _ := New(IntColumn("architecture", []int64{5, 1, 2}), FloatColumn("b", []float64{500, 100, 200}))
	got, report, err := Join(left, right, "architecture")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := New(IntColumn("architecture", []int64{2, 1}), FloatColumn("a", []float64{20, 10}), FloatColumn("b", []float64{200, 100}))
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	wantReport := JoinReport{Rows: 2, LeftOnly: 1, RightOnly: 1, LeftExamples: []string{"0"}, RightExamples: []string{"5"}}
	if d := cmp.Diff(wantReport, report); d != "" {
		t.Error(d)
	}
}

func TestJoinOfNumbersWithCells(t *testing.T) {
	left, _ := New(IntColumn("arch", []int64{11, 3}), FloatColumn("a", []float64{1, 2}))
	right, _ := New(StringColumn("arch", []string{nas.At(3).String(), nas.At(11).String()}), FloatColumn("b", []float64{30, 110}))
	got, report, err := Join(left, right, "arch")
	if err != nil || report.Rows != 2 {
		t.Fatal(err, report)
	}
	if b, _ := got.Float64s("b"); b[0] != 110 || b[1] != 30 {
		t.Errorf("b is %v", b)
	}
	right.Columns[0].Strings[1] = "|nope~0|"
	_, _, err = Join(left, right, "arch")
	wantError(t, err, "right table", "row 2", "position")
}

func TestJoinErrors(t *testing.T) {
	left, _ := New(IntColumn("architecture", []int64{2, 0, 2}), FloatColumn("a", []float64{20, 0, 10}))
	right, _ := New(IntColumn("architecture", []int64{1}), FloatColumn("b", []float64{1}))
	_, _, err := Join(left, right, "architecture")
	wantError(t, err, "left table", "rows 1 and 3 have the same key 2")
	_, _, err = Join(right, left, "b")
	wantError(t, err, "right table", `no column "b"`)
	_, _, err = Join(right, right, "architecture")
	wantError(t, err, `both tables have a column "b"`)
	_, _, err = Join(right, right, "b")
	wantError(t, err, "keys are int64 or string")
	gap := Column{Name: "architecture", Kind: Int64, Int64s: []int64{0}, Valid: []bool{false}}
	hole, _ := New(gap)
	_, _, err = Join(hole, right, "architecture")
	wantError(t, err, "row 1", "is missing")
}

func TestConcat(t *testing.T) {
	a, _ := New(IntColumn("i", []int64{1}), StringColumn("s", []string{"a"}))
	b, _ := New(IntColumn("i", []int64{2}), Column{Name: "s", Kind: String, Strings: []string{""}, Valid: []bool{false}})
	got, err := Concat(a, b, a)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := New(IntColumn("i", []int64{1, 2, 1}), Column{Name: "s", Kind: String, Strings: []string{"a", "", "a"}, Valid: []bool{true, false, true}})
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if a.Rows != 1 || len(a.Columns[0].Int64s) != 1 {
		t.Error("an operand changed")
	}
	c, _ := New(IntColumn("i", []int64{2}), BoolColumn("s", []bool{true}))
	_, err = Concat(a, c)
	wantError(t, err, "column 2", "bool", "table 2")
	_, err = Concat(a, &Table{})
	wantError(t, err, "table 2 has 0 columns")
}

func TestAccessors(t *testing.T) {
	tab := measurements()
	_, err := tab.Int64s("latency")
	wantError(t, err, "holds float64 values, not int64")
	_, err = tab.Float64s("task")
	wantError(t, err, `row 1 is "cifar100"`)
	_, err = tab.Float64s("ok")
	wantError(t, err, "holds bool values")
	tab.Columns[0].Valid = []bool{true, true, false, true}
	_, err = tab.Int64s("architecture")
	wantError(t, err, "1 missing values, the first in row 3")
	numbers, err := tab.Float64s("architecture")
	if err != nil || !math.IsNaN(numbers[2]) || numbers[3] != 1 {
		t.Errorf("got %v, %v", numbers, err)
	}
	if _, err := tab.Bools("ok"); err != nil {
		t.Error(err)
	}
	if tab.Columns[2].Text(2) != "missing" || tab.Columns[2].Text(0) != "1.5" {
		t.Error("Text")
	}
}
