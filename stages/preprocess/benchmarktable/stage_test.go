package benchmarktable

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

const measurements = `arch_idx,device,task,accuracy,latency
0,pi5,darcy,0.75,1.5
0,pixel,darcy,0.75,2.5
0,pi5,ninapro,90,3
1,pi5,darcy,0.5,1.25
1,pixel,darcy,0.5,
1,pi5,ninapro,80.0001,3.5
`

func object(members map[string]cty.Value) cty.Value { return cty.ObjectVal(members) }

func words(pairs ...string) cty.Value {
	m := map[string]cty.Value{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = cty.StringVal(pairs[i+1])
	}
	return cty.ObjectVal(m)
}

func block(store stagetest.Store, csv string, attrs map[string]cty.Value) map[string]cty.Value {
	out := map[string]cty.Value{"file": stages.FileValue(store.File("m.csv", []byte(csv)))}
	for k, v := range attrs {
		out[k] = v
	}
	return out
}

func TestFilterSelectTransformRound(t *testing.T) {
	store := stagetest.Store{}
	r, err := stagetest.Run(t, Kind, store, block(store, measurements, map[string]cty.Value{
		"filter":    words("device", "pi5", "task", "ninapro"),
		"columns":   words("error", "accuracy", "ms", "latency"),
		"transform": words("error", "error"),
		"round":     object(map[string]cty.Value{"error": cty.NumberIntVal(10)}),
		"units":     words("ms", "ms"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	tb := r.Table(t, "table")
	if got := tb.Names(); !slices.Equal(got, []string{"architecture", "error", "ms"}) {
		t.Errorf("columns %v", got)
	}
	if e, err := tb.Float64s("error"); err != nil || !slices.Equal(e, []float64{0.1, 0.2}) {
		t.Errorf("errors %v, %v", e, err)
	}
	c, err := tb.Column("ms")
	if err != nil || c.Unit != "ms" || c.Source != "latency" {
		t.Errorf("column ms: %+v, %v", c, err)
	}
	if c, _ := tb.Column("error"); !strings.Contains(c.Source, "1 - x/100") || !strings.Contains(c.Source, "1/10") {
		t.Errorf("the source of error says %q", c.Source)
	}
	if n, _ := r.Number(t, "rows"); n != 2 {
		t.Errorf("%v rows, want 2", n)
	}
	if n, _ := r.Number(t, "left_out"); n != 4 {
		t.Errorf("%v left out, want 4", n)
	}
	if len(r.Warnings) > 0 {
		t.Errorf("warnings %q", r.Warnings)
	}
}

func TestFilterByLists(t *testing.T) {
	store := stagetest.Store{}
	r, err := stagetest.Run(t, Kind, store, block(store, measurements, map[string]cty.Value{
		"filter": object(map[string]cty.Value{
			"device":   cty.TupleVal([]cty.Value{cty.StringVal("pi5"), cty.StringVal("pixel")}),
			"arch_idx": cty.NumberIntVal(1),
			"task":     cty.SetVal([]cty.Value{cty.StringVal("darcy")}),
		}),
		"columns": words("ms", "latency"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	tb := r.Table(t, "table")
	if ms, _ := tb.Float64s("ms"); len(ms) != 2 || ms[0] != 1.25 || !math.IsNaN(ms[1]) {
		t.Errorf("latencies %v", ms)
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "architecture 1 has 2 rows") {
		t.Errorf("warnings %q", r.Warnings)
	}
}

func TestErrors(t *testing.T) {
	cases := map[string]struct {
		csv   string
		attrs map[string]cty.Value
		want  []string
	}{
		"wrong number of values": {"arch_idx,x\n0,1\n1,2,3\n", nil, []string{"row 2", "3 values for 2 columns"}},
		"text among numbers": {
			"arch_idx,x\n0,1\n1,oops\n",
			map[string]cty.Value{"transform": words("x", "error")},
			[]string{`column "x"`, "row 2", "oops"},
		},
		"not a cell": {
			"c,x\n|none~0|+|none~0|none~1|+|none~0|none~1|none~2|,1\nrubbish,2\n",
			map[string]cty.Value{"cell": cty.StringVal("c")},
			[]string{`column "c", row 2`, "rubbish"},
		},
		"misspelt column": {
			measurements, map[string]cty.Value{"columns": words("error", "acuracy")},
			[]string{`did you mean "accuracy"?`},
		},
		"misspelt value": {
			measurements, map[string]cty.Value{"filter": words("device", "pi6")},
			[]string{"no row has device", `did you mean "pi5"?`},
		},
		"order of too few rows": {"x\n1\n2\n", map[string]cty.Value{"in_order": cty.True}, []string{"2 rows", "15625"}},
		"order beside an index": {measurements, map[string]cty.Value{"in_order": cty.True}, []string{"leave out in_order"}},
		"transformed index": {
			measurements, map[string]cty.Value{"transform": words("architecture", "error")},
			[]string{"stays as it is"},
		},
		"wrong format": {"a,b\n1,2\n", map[string]cty.Value{"format": cty.StringVal("parquet")}, []string{"Parquet"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			store := stagetest.Store{}
			_, err := stagetest.Run(t, Kind, store, block(store, c.csv, c.attrs))
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
		})
	}
}

func TestInOrder(t *testing.T) {
	var b strings.Builder
	b.WriteString("x\n")
	for range nas.Size {
		b.WriteString("0.5\n")
	}
	store := stagetest.Store{}
	r, err := stagetest.Run(t, Kind, store, block(store, b.String(), map[string]cty.Value{"in_order": cty.True}))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.Table(t, "table").Int64s("architecture"); err != nil || n[nas.Size-1] != nas.Size-1 {
		t.Errorf("numbers end with %v, %v", n, err)
	}
}

func TestRowsWithoutArchitectures(t *testing.T) {
	store := stagetest.Store{}
	r, err := stagetest.Run(t, Kind, store, block(store, "x\n1\n2\n", nil))
	if err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "in_order") {
		t.Errorf("warnings %q, %v", r.Warnings, err)
	}
}

func TestJoin(t *testing.T) {
	store := stagetest.Store{}
	other, err := table.New(table.IntColumn("architecture", []int64{1, 2}), table.FloatColumn("params", []float64{10, 20}), table.FloatColumn("x", []float64{0, 0}))
	if err != nil {
		t.Fatal(err)
	}
	join := func(members map[string]cty.Value) cty.Value {
		members["table"] = store.Table(t, other)
		return cty.TupleVal([]cty.Value{cty.ObjectVal(members)})
	}
	r, err := stagetest.Run(t, Kind, store, block(store, "arch_idx,x\n0,5\n1,6\n", map[string]cty.Value{
		"join": join(map[string]cty.Value{"columns": words("size", "params")}),
	}))
	if err != nil {
		t.Fatal(err)
	}
	tb := r.Table(t, "table")
	if size, err := tb.Float64s("size"); err != nil || !slices.Equal(size, []float64{10}) || tb.Rows != 1 {
		t.Errorf("joined %v, %v", size, err)
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "1 rows of this table and 1 of the joined one") {
		t.Errorf("warnings %q", r.Warnings)
	}
	if _, err := stagetest.Run(t, Kind, store, block(store, "arch_idx,x\n0,5\n1,6\n", map[string]cty.Value{
		"join": join(map[string]cty.Value{}),
	})); err == nil || !strings.Contains(err.Error(), `both tables have a column "x"`) {
		t.Errorf("error %v", err)
	}
	if _, err := stagetest.Run(t, Kind, store, block(store, "arch_idx,y\n0,5\n", map[string]cty.Value{
		"join": join(map[string]cty.Value{}),
	})); err == nil || !strings.Contains(err.Error(), "no row has a partner") {
		t.Errorf("error %v", err)
	}
}

func TestCheck(t *testing.T) {
	cases := map[string]map[string]cty.Value{
		"format":          {"format": cty.StringVal("xls")},
		"transform":       {"transform": words("x", "log")},
		"unknown column":  {"columns": words("x", "a"), "transform": words("y", "error")},
		"denominator":     {"round": object(map[string]cty.Value{"x": cty.NumberIntVal(-1)})},
		"filter text":     {"filter": cty.StringVal("pi5")},
		"filter object":   {"filter": object(map[string]cty.Value{"a": cty.EmptyObjectVal})},
		"filter nothing":  {"filter": object(map[string]cty.Value{"a": cty.EmptyTupleVal})},
		"order and index": {"in_order": cty.True, "index": cty.StringVal("i")},
	}
	store := stagetest.Store{}
	for name, attrs := range cases {
		t.Run(name, func(t *testing.T) {
			if p := stagetest.Problems(t, Kind, block(store, "", attrs)); len(p) != 1 || p[0].Detail == "" {
				t.Errorf("problems %+v, want one", p)
			}
		})
	}
	if p := stagetest.Problems(t, Kind, block(store, "", nil)); len(p) > 0 {
		t.Errorf("a good block has problems: %v", p)
	}
}
